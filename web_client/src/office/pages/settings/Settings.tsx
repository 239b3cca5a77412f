/** How it looks here, one's own account, and what the server is set to. */
import { useState } from "preact/hooks";
import { words } from "words/settings";
import { words as shell } from "words/shell";
import { words as site } from "words/site";
import "../../../ui/segments.css";
import "../../../ui/settings_page.css";
import { look, may, me, signOut } from "../../account";
import { Button } from "../../parts/Button";
import { TextField } from "../../parts/Field";
import { Form } from "../../parts/Form";
import { Page, Section } from "../../parts/Page";
import { toast, toastFailure } from "../../parts/toasts";
import { rest } from "../../rest";
import { DemoPeople } from "../../site/DemoPeople";
import { SiteForm } from "../../site/SiteForm";
import { chosenTheme, chooseTheme, type Theme } from "../../theme";
import { SiteSettings } from "./SiteSettings";

const THEMES: readonly Theme[] = ["auto", "light", "dark"];

export default function Settings() {
  return (
    <Page title={words.title}>
      <div class="columns even">
        <Account />
        <Appearance />
      </div>
      {may("admin") && (
        <div class="columns even">
          <Section title={site.title}>
            <SiteForm submit={site.save} onSaved={() => toast(site.saved)} />
          </Section>
          <Section title={site.demo.title}>
            <DemoPeople />
          </Section>
        </div>
      )}
      {may("admin") && <SiteSettings />}
    </Page>
  );
}

function Appearance() {
  const [theme, setTheme] = useState(chosenTheme);
  return (
    <Section title={words.appearance.title}>
      <fieldset class="group">
        <legend>{words.appearance.legend}</legend>
        <div class="segments">
          {THEMES.map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="theme"
                value={one}
                checked={theme === one}
                onChange={() => {
                  setTheme(one);
                  chooseTheme(one);
                }}
              />
              <span>{words.appearance[one]}</span>
            </label>
          ))}
        </div>
      </fieldset>
    </Section>
  );
}

function Account() {
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const somebody = me.value;
  const change = async () => {
    await rest.put("/api/v1/me/password", { body: { current, new: wanted } });
    // The session is another one now, with another token for what changes something.
    await look();
    setCurrent("");
    setWanted("");
    toast(words.account.changed);
  };
  return (
    <Section
      title={words.account.title}
      actions={
        <Button small icon="leave" onClick={() => void signOut().catch(toastFailure)}>
          {words.account.signOut}
        </Button>
      }
    >
      <dl class="facts">
        <div>
          <dt>{words.account.name}</dt>
          <dd>{somebody?.name}</dd>
        </div>
        {somebody?.role && (
          <div>
            <dt>{words.account.role}</dt>
            <dd>{shell.roles[somebody.role]}</dd>
          </div>
        )}
      </dl>
      <Form
        submit={words.account.change}
        onSubmit={change}
        disabled={current === "" || wanted === ""}
        explain={({ code }) => (code === "password_wrong" ? words.account.wrong : null)}
      >
        <TextField
          label={words.account.current}
          type="password"
          value={current}
          onValue={setCurrent}
          autocomplete="current-password"
        />
        <TextField
          label={words.account.new}
          type="password"
          value={wanted}
          onValue={setWanted}
          help={words.account.newHelp}
          autocomplete="new-password"
        />
      </Form>
    </Section>
  );
}
