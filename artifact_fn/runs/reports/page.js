"use strict";
// Without this, the frames of an artifact stand side by side and are scrolled through.
for (const strip of document.querySelectorAll(".strip")) {
  const frames = [...strip.querySelectorAll(".frame")];
  const control = strip.querySelector(".control");
  if (!control) continue;
  const input = control.querySelector("input");
  const output = control.querySelector("output");
  const show = () => {
    frames.forEach((frame, i) => { frame.hidden = i !== Number(input.value); });
    const epoch = frames[Number(input.value)].dataset.epoch;
    output.textContent = epoch;
    input.setAttribute("aria-valuetext", "epoch " + epoch);
  };
  input.addEventListener("input", show);
  strip.querySelector(".frames").removeAttribute("tabindex");
  control.hidden = false;
  show();
}
