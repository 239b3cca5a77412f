/** Words of the first run. */
export const words = {
  title: "Welcome",
  step: (number: number, all: number) => `Step ${number} of ${all}`,
  owner: {
    heading: "Welcome to Rollcall",
    lead: "Nobody owns this server yet. Make yourself its owner: it takes a minute.",
    token: "Owner's token",
    tokenHelp: "The server printed it at its first start, and keeps it in the file token of its data folder.",
    tokenKnown: "The owner's token came with the address that you opened.",
    name: "Your name",
    login: "User name",
    loginHelp: "Small letters, digits and . _ @ + -. You sign in with it.",
    password: "Password",
    passwordHelp: "Something long. A few words that nobody guesses are good.",
    show: "Show the password",
    submit: "Make me the owner",
    wrongToken: "This is not the token of this server. It is in the file token of the data folder.",
    done: "This server has an owner already. Sign in.",
  },
  site: {
    heading: "This site",
    lead: "What is it called, and where is it? Both can be changed later, under Settings.",
    next: "Next",
  },
  camera: {
    heading: "The first camera",
    lead: "Any phone will do. Scan a code with it, and it is a camera.",
    skip: "Later",
    next: "Next",
  },
  people: {
    heading: "The first people",
    lead: "Add people with their agreement and a photograph each: nobody is recognised without. To see first how it works, take those of the demo.",
    finish: "To the dashboard",
    add: "Add people",
  },
};
