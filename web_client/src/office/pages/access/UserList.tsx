/** Users: who may sign in, and as what. */
import { useState } from "preact/hooks";
import { words as page } from "words/access";
import { words as shell } from "words/shell";
import { ago } from "../../../text/format";
import { may, me } from "../../account";
import { useEvents } from "../../live";
import { live } from "../../live_events";
import { ask } from "../../parts/ask";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Section } from "../../parts/Page";
import { Pager } from "../../parts/Pager";
import { Loaded } from "../../parts/states";
import { Table, type Column } from "../../parts/Table";
import { toast, toastFailure } from "../../parts/toasts";
import { usePages } from "../../resource";
import { rest, type Shapes } from "../../rest";
import { UserDialog } from "./UserDialog";

type User = Shapes["UserBody"];
const words = page.users;

export function UserList() {
  const [open, setOpen] = useState<User | "new" | null>(null);
  const users = usePages((cursor) => rest.get("/api/v1/users", { query: { limit: 50, ...(cursor ? { cursor } : {}) } }), [
    live.epoch.value,
  ]);
  useEvents(live, ["access.changed"], users.reload);
  // Owners are changed by owners alone.
  const within = (user: User) => user.role !== "owner" || me.value?.role === "owner";

  const remove = async (user: User) => {
    if (!(await ask({ title: words.removeSure(user.name), text: words.removeText, yes: words.remove, danger: true }))) return;
    try {
      await rest.delete("/api/v1/users/{user_id}", { path: { user_id: user.id } });
      toast(words.removed(user.name));
    } catch (error) {
      toastFailure(error);
    }
    users.reload();
  };
  const columns: Column<User>[] = [
    {
      key: "name",
      label: words.name,
      cell: (user) => (
        <span class="item-text">
          <span>
            {user.name} {user.id === me.value?.id && <Badge tone="info">{page.you}</Badge>}
          </span>
          <span class="soft">{user.login}</span>
        </span>
      ),
    },
    { key: "role", label: words.role, cell: (user) => shell.roles[user.role] },
    { key: "login", label: words.lastLogin, cell: (user) => ago(user.last_login_at) || words.never },
    {
      key: "actions",
      label: words.actions,
      kind: "actions",
      cell: (user) =>
        within(user) && (
          <span class="row-actions">
            {may("grant") && (
              <Button small onClick={() => setOpen(user)} aria-label={words.editTitle(user.name)}>
                {words.edit}
              </Button>
            )}
            {user.id !== me.value?.id && (
              <Button small onClick={() => void remove(user)} aria-label={`${words.remove}: ${user.name}`}>
                {words.remove}
              </Button>
            )}
          </span>
        ),
    },
  ];
  return (
    <Section
      title={words.title}
      actions={
        may("grant") && (
          <Button look="primary" small icon="add" onClick={() => setOpen("new")}>
            {words.add}
          </Button>
        )
      }
    >
      <Loaded of={users}>
        {({ users: rows }) => <Table caption={words.caption} columns={columns} rows={rows} rowKey={(user) => user.id} />}
      </Loaded>
      <Pager of={users} />
      {open !== null && (
        <UserDialog
          user={open === "new" ? null : open}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            users.reload();
          }}
        />
      )}
    </Section>
  );
}
