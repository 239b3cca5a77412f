/** Server-sent events, read from a stream of text. https://html.spec.whatwg.org/#event-stream-interpretation */
export interface Message {
  id: string | null;
  type: string;
  data: string;
}

// More than any event of ours; a stream that never ends a line is not one.
const BUFFER_MAX = 1 << 20;

/** Takes the text as it comes, in pieces of any size. */
export class MessageReader {
  private rest = "";
  private id: string | null = null;
  private type = "";
  private data: string[] = [];

  /** The messages that are complete with this piece. */
  feed(piece: string): Message[] {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    if (this.rest.length > BUFFER_MAX) throw new Error("a line without an end");
    const found: Message[] = [];
    for (const line of lines) {
      if (line !== "") this.take(line);
      else if (this.data.length > 0) found.push({ id: this.id, type: this.type || "message", data: this.data.join("\n") });
      if (line === "") [this.id, this.type, this.data] = [null, "", []];
    }
    return found;
  }

  private take(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the server is still there
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.type = value;
    else if (field === "id") this.id = value;
  }
}
