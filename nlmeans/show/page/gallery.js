// Each scene's list of pictures becomes a viewer: two of them under a wipe, a lens on all, and their difference.
"use strict";
(() => {
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const GREY = 128; // no difference

  const loaded = (image) =>
    image.complete ? Promise.resolve() : new Promise((done) => image.addEventListener("load", done, { once: true }));

  function samples(image, width, height) {
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, width, height).data;
  }

  // Where the lens is at first: where a picture, made small, varies most.
  function busiest(image, width, height) {
    const [side, reach] = [40, 2];
    const small = new OffscreenCanvas(side, side);
    const pen = small.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, side, side);
    const data = pen.getImageData(0, 0, side, side).data;
    const best = { score: -1 };
    for (let y = 4; y < side - 4; y += 1) {
      for (let x = 4; x < side - 4; x += 1) {
        let [count, sum, squares] = [0, 0, 0];
        for (let v = y - reach; v <= y + reach; v += 1) {
          for (let u = x - reach; u <= x + reach; u += 1) {
            const value = data[4 * (v * side + u) + 1];
            count += 1;
            sum += value;
            squares += value * value;
          }
        }
        const score = squares - (sum * sum) / count;
        if (score > best.score) Object.assign(best, { score, x, y });
      }
    }
    return { x: ((best.x + 0.5) / side) * width, y: ((best.y + 0.5) / side) * height };
  }

  function view(scene, template) {
    const width = Number(scene.dataset.width);
    const height = Number(scene.dataset.height);
    const shots = [...scene.querySelectorAll(".shots figure")].map((figure) => ({
      image: figure.querySelector("img"),
      name: figure.querySelector("b").textContent,
      note: figure.querySelector("span")?.textContent ?? "",
      role: figure.querySelector("img").dataset.role,
    }));
    const viewer = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => viewer.querySelector(selector);
    const picture = part(".picture");
    const frame = part(".frame");
    const wipe = part(".wipe");
    const canvas = part("canvas.difference");
    const differs = part("input.differs");
    const gain = part("input.gain");
    const lens = part(".crops");
    const results = shots.filter((shot) => shot.role === "result");
    const chosen = { left: shots[0], right: results[results.length - 1] };
    const place = { x: width / 2, y: height / 2 };
    let share = 0.5; // of the width that is seen: the left side's
    let pair = null; // the samples of both sides, while their difference is shown
    let due = false;

    viewer.style.setProperty("--width", width);
    viewer.style.setProperty("--height", height);
    picture.setAttribute("aria-label", `${scene.querySelector("h2, h3, h4").textContent}: the arrow keys move the lens`);
    picture.classList.toggle("small", width < 320);

    // --- the two sides ---

    function choose(side, shot) {
      chosen[side] = shot;
      part(`.${side} select`).value = shots.indexOf(shot);
      part(`.${side} small`).textContent = shot.note;
      part(`img.${side}`).src = shot.image.src;
      part(`img.${side}`).alt = `${side}: ${shot.name}`;
      part(`.chip.${side}`).textContent = shot.name;
      pair = null;
      wiped();
      lay();
      differ();
    }

    for (const side of ["left", "right"]) {
      const select = part(`.${side} select`);
      shots.forEach((shot, index) => select.add(new Option(shot.name, index)));
      select.addEventListener("change", () => choose(side, shots[select.value]));
    }
    part(".swap").addEventListener("click", () => {
      const { left, right } = chosen;
      choose("left", right);
      choose("right", left);
    });

    // --- the wipe ---

    // Of what is seen: at 1 : 1 that is a part of the picture.
    const seen = () => Math.min(frame.clientWidth, picture.offsetWidth);

    function wiped() {
      const across = picture.offsetWidth;
      const percent = across ? (100 * (frame.scrollLeft + share * seen())) / across : 100 * share;
      picture.style.setProperty("--wipe", `${percent}%`);
      const left = `${chosen.left.name} on the left ${Math.round(100 * share)} %`;
      wipe.setAttribute("aria-valuetext", `${left}, ${chosen.right.name} on the rest`);
    }

    wipe.addEventListener("input", () => {
      share = Number(wipe.value) / 100;
      wiped();
    });
    frame.addEventListener("scroll", wiped);
    new ResizeObserver(wiped).observe(picture);

    function drag(event) {
      share = clamp((event.clientX - frame.getBoundingClientRect().left) / seen(), 0, 1);
      wipe.value = 100 * share;
      wiped();
    }

    let start = null; // where the pointer went down; a click that does not move only places the lens
    picture.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      look(event);
      if (differs.checked) return;
      start = { x: event.clientX, dragging: Boolean(event.target.closest(".grip")) };
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener("pointermove", (event) => {
      look(event);
      if (start && (start.dragging ||= Math.abs(event.clientX - start.x) > 3)) drag(event);
    });
    for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => { start = null; });
    picture.addEventListener("dragstart", (event) => event.preventDefault());

    // --- the lens ---

    const side = () => Math.min(Number(part(".zoom").value), width, height);

    function look(event) {
      const box = picture.getBoundingClientRect();
      move(((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height);
    }

    function move(x, y) {
      place.x = clamp(x, side() / 2, width - side() / 2);
      place.y = clamp(y, side() / 2, height - side() / 2);
      if (due) return;
      due = true;
      requestAnimationFrame(draw);
    }

    picture.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 1 : Math.max(1, side() / 4);
      const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (!x && !y) return;
      event.preventDefault();
      move(place.x + x * step, place.y + y * step);
      part(".spot").scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    part(".zoom").addEventListener("change", lay);

    function lay() {
      const shown = new Set([shots[0], chosen.left, chosen.right, ...shots.filter((shot) => shot.role === "truth")]);
      const crops = [...shown].map((shot) => ({ source: shot.image, name: shot.name }));
      if (differs.checked) crops.push({ source: canvas, name: "Difference" });
      lens.replaceChildren(...crops.map(({ source, name }) => {
        const figure = document.createElement("figure");
        const crop = document.createElement("canvas");
        crop.width = crop.height = side();
        crop.source = source;
        crop.setAttribute("role", "img");
        crop.setAttribute("aria-label", `${name}, enlarged`);
        figure.append(crop, Object.assign(document.createElement("figcaption"), { textContent: name }));
        return figure;
      }));
      move(place.x, place.y);
    }

    function draw() {
      due = false;
      const size = side();
      const [x, y] = [Math.round(place.x - size / 2), Math.round(place.y - size / 2)];
      const spot = part(".spot").style;
      spot.left = `${(x / width) * 100}%`;
      spot.top = `${(y / height) * 100}%`;
      spot.width = `${(size / width) * 100}%`;
      spot.height = `${(size / height) * 100}%`;
      for (const crop of lens.querySelectorAll("canvas")) {
        const pen = crop.getContext("2d");
        pen.imageSmoothingEnabled = false;
        pen.drawImage(crop.source, x, y, size, size, 0, 0, size, size);
        [crop.dataset.x, crop.dataset.y] = [x, y];
      }
      part(".where").textContent = `x ${x} to ${x + size - 1}, y ${y} to ${y + size - 1}`;
    }

    // --- the difference ---

    function differ() {
      if (!differs.checked) return;
      pair ??= [chosen.left, chosen.right].map((shot) => samples(shot.image, width, height));
      const [left, right] = pair;
      const factor = Number(gain.value);
      const difference = new ImageData(width, height);
      const data = difference.data; // clamps and rounds
      for (let k = 0; k < data.length; k += 1) {
        data[k] = k % 4 === 3 ? 255 : GREY + factor * (left[k] - right[k]);
      }
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      canvas.getContext("2d").putImageData(difference, 0, 0);
      part(".chip.minus").textContent = `${chosen.left.name} − ${chosen.right.name}, ×${factor}; grey is no difference`;
      part("output.gain").textContent = `×${factor}`;
      move(place.x, place.y);
    }

    function switched() {
      viewer.classList.toggle("differing", differs.checked);
      wipe.disabled = differs.checked;
      gain.disabled = !differs.checked;
      if (!differs.checked) pair = null;
      lay();
      differ();
    }

    differs.addEventListener("change", switched);
    gain.addEventListener("input", differ);
    part("input.full").addEventListener("change", (event) => {
      viewer.classList.toggle("full", event.target.checked);
      frame.scrollTo(place.x - frame.clientWidth / 2, place.y - frame.clientHeight / 2);
      wiped();
    });

    scene.querySelector(".shots").before(viewer);
    choose("left", chosen.left);
    choose("right", chosen.right);
    switched();
    Promise.all(shots.map(({ image }) => loaded(image))).then(() => {
      pair = null;
      const { x, y } = busiest(shots[shots.length - 1].image, width, height);
      move(x, y);
      differ();
    });
  }

  for (const gallery of document.querySelectorAll(".gallery")) {
    const template = gallery.querySelector("template");
    for (const scene of gallery.querySelectorAll(".scene")) view(scene, template);
  }
})();
