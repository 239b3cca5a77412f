/** Users and API tokens. */
import { words } from "words/access";
import { Page } from "../../parts/Page";
import { TokenList } from "./TokenList";
import { UserList } from "./UserList";

export default function Access() {
  return (
    <Page title={words.title} lead={words.lead}>
      <UserList />
      <TokenList />
    </Page>
  );
}
