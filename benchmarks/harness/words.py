"""What tables call the methods."""

from __future__ import annotations

WORDS = {
    "opencv-nlm": "OpenCV's NLM", "skimage-bilateral": "scikit-image: bilateral",
    "skimage-wavelet": "scikit-image: wavelet", "skimage-tv": "scikit-image: total variation",
    "skimage-nlm": "scikit-image: NLM",
    "nlmeans-preview": '`quality="preview"`', "nlmeans-fast": '`quality="fast"`',
    "nlmeans-balanced": '`quality="balanced"`, the default',
    "nlmeans-best": '`quality="best"`', "bm3d": "BM3D's package",
    "bm3dcpu-step8": "bm3dcpu, block step 8", "bm3dcpu-step6": "bm3dcpu, block step 6",
    "bm3dcpu-step4": "bm3dcpu, block step 4", "vapoursynth-bm3d": "VapourSynth's bm3d, fast",
    "vapoursynth-wnnm": "VapourSynth's WNNM, one pass", "ispc-nlm": "nlm_ispc", "ffmpeg-nlm": "FFmpeg's nlmeans",
    "ffmpeg-bm3d": "FFmpeg's bm3d, first step", "gmic-denoise": "G'MIC's denoise",
    "ridge-fast": '`method="ridge", quality="fast"`', "ridge": '`method="ridge"`',
    "ridge-best": '`method="ridge", quality="best"`', "learned-fast": '`method="learned", quality="fast"`',
    "learned": '`method="learned"`', "learned-best": '`method="learned", quality="best"`',
}  # fmt: skip
"""In the order of rows."""
