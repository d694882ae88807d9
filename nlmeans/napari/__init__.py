"""The plugin for napari: `Plugins > nlmeans > Denoise` tunes the options of `nlmeans.denoise` by eye.

`napari.yaml` says what napari is offered. What a layer gives and what is called is decided without Qt (`subject`,
`settings`, `call`, `view`, `fit`, `result`); `worker` runs it in a thread; `controls`, `plot` and `widget` are what
is seen; `files` reads and writes.
"""
