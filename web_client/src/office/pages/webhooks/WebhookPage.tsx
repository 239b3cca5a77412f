/** One webhook: what it is told of, how it does, its secret, and what was sent. */
import { useState } from "preact/hooks";
import { words } from "words/webhooks";
import { moment } from "../../../text/format";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import type { PageProps } from "../../pages";
import { ask } from "../../parts/ask";
import { Badge } from "../../parts/Badge";
import { Button, LinkButton } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { CheckField, SelectField, TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Page, Section } from "../../parts/Page";
import { Loaded, Note } from "../../parts/states";
import { toast, toastFailure } from "../../parts/toasts";
import { useInterval, useResource } from "../../resource";
import { rest } from "../../rest";
import { go } from "../../router";
import { Deliveries } from "./Deliveries";
import { EventChoice } from "./EventChoice";
import { stateOf, type EventKind, type Webhook } from "./events";
import { STATE_TONE, Told } from "./Webhooks";

const READ_EVERY_MS = 10_000;
type Skip = "one" | "all";

export default function WebhookPage({ params }: PageProps) {
  const id = params["webhook_id"] ?? "";
  const [rotating, setRotating] = useState(false);
  const [turn, setTurn] = useState(0);
  const [testing, setTesting] = useState(false);
  const found = useResource(() => rest.get("/api/v1/webhooks/{webhook_id}", { path: { webhook_id: id } }), [id, live.epoch.value]);
  const kinds = useResource(async () => (await rest.get("/api/v1/webhooks")).event_kinds);
  useInterval(found.reload, READ_EVERY_MS);
  useEvents(live, ["webhook.disabled"], found.reload);
  const webhook = found.data;

  const change = async (body: { enabled: boolean; skip?: Skip }, said: string) => {
    try {
      found.set(await rest.patch("/api/v1/webhooks/{webhook_id}", { path: { webhook_id: id }, body: { skip: "none", ...body } }));
      toast(said);
      setTurn(turn + 1);
    } catch (error) {
      toastFailure(error);
    }
  };
  const skip = async (how: Skip) => {
    const asked = { title: words.skipTitle[how], text: words.skipText, yes: words.skipYes, danger: true };
    if (await ask(asked)) await change({ enabled: true, skip: how }, words.skipped);
  };
  const test = async () => {
    setTesting(true);
    try {
      const sent = await rest.post("/api/v1/webhooks/{webhook_id}/test", { path: { webhook_id: id }, timeoutMs: 60_000 });
      if (sent.delivered) toast(words.testGood(sent.status ?? 0, sent.latency_ms ?? 0));
      else toast(words.testBad(sent.problem), "bad");
    } catch (error) {
      toastFailure(error);
    }
    setTesting(false);
    setTurn(turn + 1);
  };
  const remove = async (address: string) => {
    if (!(await ask({ title: words.removeTitle(address), text: words.removeText, yes: words.removeYes, danger: true }))) return;
    try {
      await rest.delete("/api/v1/webhooks/{webhook_id}", { path: { webhook_id: id } });
      toast(words.removed);
      go("/webhooks");
    } catch (error) {
      toastFailure(error);
    }
  };

  return (
    <Page
      title={webhook?.address ?? words.title}
      {...(webhook?.description ? { lead: webhook.description } : {})}
      actions={
        <>
          <LinkButton href="/webhooks" icon="back">
            {words.back}
          </LinkButton>
          {webhook && (
            <Button icon="remove" onClick={() => void remove(webhook.address)}>
              {words.remove}
            </Button>
          )}
        </>
      }
    >
      <Loaded of={found} lines={6}>
        {(one) => (
          <div class="columns even">
            <Section title={words.settings}>
              <Loaded of={kinds}>{(known) => <Subscription webhook={one} kinds={known} onSaved={found.set} />}</Loaded>
            </Section>
            <Section title={words.delivery} actions={<Badge tone={STATE_TONE[stateOf(one)]}>{words.states[stateOf(one)]}</Badge>}>
              {one.disabled_reason !== "" && <Note tone="warn">{one.disabled_reason}</Note>}
              <Facts webhook={one} />
              <div class="row-actions">
                <Button icon="send" busy={testing} onClick={() => void test()}>
                  {words.test}
                </Button>
                <Button icon="key" onClick={() => setRotating(true)}>
                  {words.rotate}
                </Button>
                {one.enabled ? (
                  <Button onClick={() => void change({ enabled: false }, words.disabled)}>{words.disable}</Button>
                ) : (
                  <Button look="primary" onClick={() => void change({ enabled: true }, words.enabled)}>
                    {words.enable}
                  </Button>
                )}
                {one.failures > 0 && (
                  <>
                    {one.enabled && <Button onClick={() => void change({ enabled: true }, words.trying)}>{words.tryNow}</Button>}
                    <Button onClick={() => void skip("one")}>{words.skipOne}</Button>
                    <Button onClick={() => void skip("all")}>{words.skipAll}</Button>
                  </>
                )}
              </div>
            </Section>
          </div>
        )}
      </Loaded>
      {webhook && <Deliveries id={id} turn={turn} />}
      {rotating && (
        <Dialog title={words.rotateTitle} onClose={() => setRotating(false)}>
          <Rotate id={id} onRotated={found.reload} onDone={() => setRotating(false)} />
        </Dialog>
      )}
    </Page>
  );
}

function Facts({ webhook }: { webhook: Webhook }) {
  const those: [string, string][] = [
    [words.facts.created, moment(webhook.created_at)],
    [words.facts.until, moment(webhook.old_secret_until)],
    [words.facts.failures, webhook.failures === 0 ? "" : String(webhook.failures)],
    [words.facts.since, moment(webhook.failing_since)],
    [words.facts.next, moment(webhook.next_attempt_at)],
  ];
  return (
    <dl class="facts">
      {those
        .filter(([, value]) => value !== "")
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Subscription({ webhook, kinds, onSaved }: { webhook: Webhook; kinds: readonly EventKind[]; onSaved: (webhook: Webhook) => void }) {
  const [description, setDescription] = useState(webhook.description);
  const [chosen, setChosen] = useState<readonly string[] | null>(webhook.event_types.length === 0 ? null : webhook.event_types);
  const [names, setNames] = useState(webhook.include_names);
  const [asked, setAsked] = useState(false);
  const noEvent = chosen !== null && chosen.length === 0;
  const save = async () => {
    const body = { description: description.trim(), event_types: [...(chosen ?? [])], include_names: names, skip: "none" as const };
    onSaved(await rest.patch("/api/v1/webhooks/{webhook_id}", { path: { webhook_id: webhook.id }, body }));
    toast(words.saved);
  };
  return (
    <Form
      submit={words.save}
      onSubmit={save}
      ready={() => {
        setAsked(true);
        return !noEvent;
      }}
    >
      <TextField label={words.description} value={description} onValue={setDescription} placeholder={words.descriptionPlaceholder} maxLength={200} autocomplete="off" optional />
      <EventChoice kinds={kinds} chosen={chosen} before={webhook.event_types} problem={asked && noEvent ? words.someMissing : undefined} onChange={setChosen} />
      <CheckField label={words.names} help={words.namesHelp} checked={names} onValue={setNames} />
    </Form>
  );
}

function Rotate({ id, onRotated, onDone }: { id: string; onRotated: () => void; onDone: () => void }) {
  const [overlap, setOverlap] = useState<keyof typeof words.overlaps>("86400");
  const [secret, setSecret] = useState<string | null>(null);
  const rotate = async () => {
    const body = { overlap_s: Number(overlap) };
    setSecret((await rest.post("/api/v1/webhooks/{webhook_id}/secret", { path: { webhook_id: id }, body })).secret);
    onRotated();
  };
  if (secret !== null) return <Told title={words.secretTitle} secret={secret} onDone={onDone} />;
  return (
    <Form submit={words.rotate} onSubmit={rotate}>
      <p>{words.rotateLead}</p>
      <SelectField
        label={words.overlap}
        value={overlap}
        options={(["86400", "3600", "604800", "0"] as const).map((value) => ({ value, label: words.overlaps[value] }))}
        onValue={setOverlap}
      />
    </Form>
  );
}
