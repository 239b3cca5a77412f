/** Words of what is around every page. */
export const words = {
  product: "Rollcall",
  titled: (title: string) => `${title} · Rollcall`,
  skip: "Skip to the page",
  navigation: "Main",
  more: "More",
  all: "All pages",
  groups: { day: "Every day", site: "This site" },
  nav: {
    dashboard: "Today",
    people: "People",
    sessions: "Sessions",
    reports: "Reports",
    unknown: "Unknown faces",
    cameras: "Cameras",
    devices: "Devices",
    access: "Users",
    health: "Health",
    settings: "Settings",
  },
  roles: { owner: "Owner", admin: "Administrator", teacher: "Teacher", viewer: "Viewer" },
  signOut: "Sign out",
  notLive: {
    connecting: "Not live. Connecting…",
    waiting: (seconds: number) => `Not live. Next try in ${seconds} s.`,
    note: "What is shown may be old. Nothing is missed: it is made up for as soon as the server answers.",
    now: "Try now",
  },
  state: {
    starting: "The server is starting. Nobody is recognised until it is ready.",
    not_ready: "The server cannot recognise anybody.",
    degraded: "The server works, but not as it should.",
  },
  away: {
    title: "The server does not answer",
    lead: "Check the network, and whether Rollcall is running. This page tries again by itself.",
    again: "Try again",
  },
  notFound: {
    title: "There is no such page",
    lead: "The address may be mistyped, or the page has moved.",
    home: "To today",
  },
  forbidden: {
    title: "This page is not for you",
    lead: "Your role does not include it. Whoever runs Rollcall can change that.",
  },
  broken: {
    title: "This page could not be loaded",
    lead: "A newer version of Rollcall may have been installed. Load the page again.",
    again: "Load again",
  },
};
