/** Words for who did something. */
const kinds: Record<string, string> = {
  user: "user",
  token: "API token",
  device: "device",
  "owner-token": "the owner's token",
  command: "the command line",
  clock: "the clock",
  system: "the server",
  demo: "the demo, which asked nobody",
  nobody: "nobody",
};

export const words = { kinds };
