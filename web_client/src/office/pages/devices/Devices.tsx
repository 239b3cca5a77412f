/** Paired devices. */
import { useState } from "preact/hooks";
import { words } from "words/devices";
import { words as pairing } from "words/pairing";
import { ago } from "../../../text/format";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { PairPhone } from "../../pairing/PairPhone";
import { ask } from "../../parts/ask";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Page, Section } from "../../parts/Page";
import { Pager } from "../../parts/Pager";
import { Empty, Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { useInterval, usePages } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { place, setQuery } from "../../router";

type Device = Shapes["DeviceBody"];
const READ_EVERY_MS = 10_000;

export default function Devices() {
  const [isPairing, setPairing] = useState(() => place.peek().query.has("pair"));
  const devices = usePages((cursor) => rest.get("/api/v1/devices", { query: { limit: 50, ...(cursor ? { cursor } : {}) } }), [
    live.epoch.value,
  ]);
  useInterval(devices.reload, READ_EVERY_MS);
  useEvents(live, ["access.changed"], devices.reload);

  const revoke = async (device: Device) => {
    if (!(await ask({ title: words.sure(device.name), text: words.sureText, yes: words.revoke, danger: true }))) return;
    try {
      await rest.delete("/api/v1/devices/{device_id}", { path: { device_id: device.id } });
      toast(words.revoked(device.name));
    } catch (error) {
      toastFailure(error);
    }
    devices.reload();
  };
  const columns: Column<Device>[] = [
    {
      key: "name",
      label: words.name,
      cell: (device) => (
        <span class="item-text">
          <span>{device.name}</span>
          <span class="soft">{device.device_name}</span>
        </span>
      ),
    },
    { key: "camera", label: words.camera, cell: (device) => <span class="tag">{device.camera_id}</span> },
    {
      key: "state",
      label: words.state,
      cell: (device) => (device.connected ? <Badge tone="good">{words.connected}</Badge> : <Badge>{words.away}</Badge>),
    },
    { key: "seen", label: words.seen, cell: (device) => ago(device.last_seen_at) || words.never },
    { key: "by", label: words.by, cell: (device) => device.created_by },
    {
      key: "actions",
      label: words.actions,
      kind: "actions",
      cell: (device) => (
        <Button small onClick={() => void revoke(device)} aria-label={`${words.revoke}: ${device.name}`}>
          {words.revoke}
        </Button>
      ),
    },
  ];
  const close = () => {
    setPairing(false);
    setQuery({ pair: "" });
    devices.reload();
  };
  const pair = (
    <Button look="primary" icon="add" onClick={() => setPairing(true)}>
      {words.pair}
    </Button>
  );
  return (
    <Page title={words.title} lead={words.lead} actions={pair}>
      <Section title={words.caption}>
        <Loaded of={devices}>
          {(page) =>
            page.devices.length === 0 ? (
              <Empty icon="device" title={words.none} />
            ) : (
              <Table caption={words.caption} columns={columns} rows={page.devices} rowKey={(device) => device.id} />
            )
          }
        </Loaded>
        <Pager of={devices} />
      </Section>
      {isPairing && (
        <Dialog title={pairing.title} onClose={close}>
          <PairPhone onPaired={devices.reload} />
        </Dialog>
      )}
    </Page>
  );
}
