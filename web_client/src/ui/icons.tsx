/** Signs of the buttons; each button says in words what it does too. */
const PATHS = {
  back: "M21 6H9l-6 6 6 6h12zM17 9.500l-5 5M12 9.500l5 5",
  check: "m5 12.500 4.500 4.500L19 7",
  close: "M6 6l12 12M18 6 6 18",
  flip: "M4 9a8 8 0 0 1 14-3l2 2M20 3v5h-5M20 15a8 8 0 0 1-14 3l-2-2M4 21v-5h5",
  kiosk: "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6z",
  mirror: "M12 3v18M8 7 3 17h5zM16 7l5 10h-5z",
  settings: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.500v5M8 14.500v5",
  stop: "M6 6h12v12H6z",
  torch: "M13 2 5 13h6l-1 9 8-11h-6z",
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

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <rect width="48" height="48" rx="12" />
      <path d="M10 17v-4a3 3 0 0 1 3-3h4M31 10h4a3 3 0 0 1 3 3v4M38 31v4a3 3 0 0 1-3 3h-4M17 38h-4a3 3 0 0 1-3-3v-4M16.500 24.800l5.200 5.200 10-11.400" />
    </svg>
  );
}
