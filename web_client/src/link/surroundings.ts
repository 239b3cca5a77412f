/** What can be told of the way to the server from the page's own address. */

// Their agents carry TCP only.
const TUNNELS = [
  "ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "trycloudflare.com", "cfargotunnel.com",
  "loca.lt", "serveo.net", "lhr.life", "localhost.run", "pinggy.link", "devtunnels.ms", "ts.net",
];

/**
 * Whether WebRTC is worth a try. Through a tunnel there is no UDP; on this machine itself it saves nothing, and the
 * first peer costs the server memory.
 */
export function videoMayWork(hostname: string): boolean {
  const host = hostname.toLowerCase();
  if (host === "localhost" || host === "[::1]" || /^127\./.test(host)) return false;
  return !TUNNELS.some((tunnel) => host === tunnel || host.endsWith(`.${tunnel}`));
}
