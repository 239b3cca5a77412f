/** The camera's picture with what is drawn over it. */
import { effect, type ReadonlySignal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Fit } from "../capture/geometry";
import { draw } from "./overlay";
import type { Station } from "./station";

interface Props {
  station: Station;
  fit: ReadonlySignal<Fit>;
  /** In kiosk mode words stand for the boxes. */
  boxes: ReadonlySignal<boolean>;
}

export function Screen({ station, fit, boxes }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [ratio, setRatio] = useState("4 / 3");

  useLayoutEffect(() => {
    const { video } = station.view;
    const [place, paper] = [frame.current, canvas.current];
    if (!place || !paper) return;
    place.prepend(video);
    const paint = () => {
      draw(paper, {
        faces: boxes.value ? station.faces.value : null,
        marks: station.marks.value,
        fit: fit.value,
        mirrored: station.mirrored.value,
      });
    };
    const measure = () => {
      if (video.videoWidth > 0) setRatio(`${video.videoWidth} / ${video.videoHeight}`);
    };
    // A phone that is turned changes the size of the video in the middle of it.
    video.addEventListener("resize", measure);
    video.addEventListener("loadedmetadata", measure);
    const unpaint = effect(paint);
    const unmirror = effect(() => {
      video.classList.toggle("mirrored", station.mirrored.value);
      video.classList.toggle("cover", fit.value === "cover");
    });
    const sizes = new ResizeObserver(paint);
    sizes.observe(paper);
    return () => {
      unpaint();
      unmirror();
      sizes.disconnect();
      video.removeEventListener("resize", measure);
      video.removeEventListener("loadedmetadata", measure);
    };
  }, [station]);

  return (
    <div class="screen" ref={frame} style={{ aspectRatio: ratio }}>
      <canvas ref={canvas} class="overlay" aria-hidden="true" />
    </div>
  );
}
