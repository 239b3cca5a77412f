/** The colours of what people have agreed to. */
import type { Tone } from "../../parts/Badge";
import type { Shapes } from "../../rest";

export const CONSENT_TONE: Record<Shapes["Person"]["consent"], Tone> = { granted: "good", none: "plain", revoked: "warn" };
