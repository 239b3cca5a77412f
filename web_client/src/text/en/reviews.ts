/** Words of faces that came near to somebody. */
export const words = {
  title: "Near matches",
  none: "Nothing to settle.",
  lead: "A face came near to somebody, but not near enough to be sure. Who was it?",
  where: (camera: string, time: string) => `Seen at ${camera}, ${time}`,
  keys: "Press the number while the question has the focus.",
  nobody: "Nobody we know",
  settled: (name: string) => `${name} is marked.`,
  settledNobody: "Noted: nobody we know.",
  elsewhere: "Somebody else has settled it already.",
  distance: (value: string) => `distance ${value}`,
  waiting: (count: number) => `${count} waiting`,
};
