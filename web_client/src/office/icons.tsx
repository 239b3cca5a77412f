/** Signs of the office; each stands beside words, or its button is named. */
const PATHS = {
  add: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  camera: "M3 8h4l2-3h6l2 3h4v11H3zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z",
  cancel: "M6 6l12 12M18 6 6 18",
  chart: "M4 20h16M7 17v-5M12 17V7M17 17v-8",
  check: "m5 12.500 4.500 4.500L19 7",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  device: "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM11 18h2",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  forward: "M9 5l7 7-7 7",
  health: "M3 12h4l3-7 4 14 3-7h4",
  home: "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.500v.1",
  key: "M14 10a4 4 0 1 0-3.500 4L12 15.500h2V18h2.500v2.500H20V17l-6-6z",
  leave: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  menu: "M4 7h16M4 12h16M4 17h16",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20a6.500 6.500 0 0 1 13 0M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14a6.500 6.500 0 0 1 3.500 6",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 21a7.500 7.500 0 0 1 15 0",
  reload: "M20 12a8 8 0 1 1-2.500-5.800M20 3v5h-5",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
  send: "M3 11 21 3l-6 18-4-8zM11 13l4-4",
  sessions: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M8 14h3",
  settings: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.500v5M8 14.500v5",
  shield: "M12 3l8 3v6c0 5-3.500 8-8 9-4.500-1-8-4-8-9V6z",
  unknown: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 21a7.500 7.500 0 0 1 9-7.300M18 15.500c0-2 3-2 3 0 0 1.500-1.500 1.500-1.500 3M19.500 21v.1",
  upload: "M12 16V4M7 9l5-5 5 5M5 20h14",
  warning: "M12 9v5M12 17.500v.1M12 3 2.500 20h19z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
