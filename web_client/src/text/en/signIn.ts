/** Words of the sign-in page. */
export const words = {
  title: "Sign in",
  lead: "With the name and password that you were given.",
  ended: "You were signed out, because your session has ended. Sign in to go on where you were.",
  login: "User name",
  password: "Password",
  show: "Show the password",
  submit: "Sign in",
  refused: "The name or the password is wrong.",
  tooOften: "That was tried too often. Wait a few minutes, then try again.",
  help: "Forgotten it? An owner or administrator can set a new one under Users.",
  camera: "This device is to be a camera",
};
