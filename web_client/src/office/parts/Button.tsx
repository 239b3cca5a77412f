/** Buttons, and links that look like them. */
import type { ButtonHTMLAttributes, ComponentChildren } from "preact";
import { words } from "words/parts";
import { Icon, type IconName } from "../icons";

export type Look = "primary" | "plain" | "quiet" | "danger";

interface Props extends Omit<ButtonHTMLAttributes, "icon" | "class"> {
  look?: Look;
  icon?: IconName;
  small?: boolean;
  class?: string;
  /** It is at work: it says so and takes no second press. */
  busy?: boolean;
  children?: ComponentChildren;
}

export function Button({ look = "plain", icon, small = false, busy = false, children, class: more, ...rest }: Props) {
  const classes = `btn btn-${look}${small ? " btn-small" : ""}${more === undefined ? "" : ` ${more}`}`;
  return (
    <button type="button" {...rest} class={classes} disabled={rest.disabled === true || busy} aria-busy={busy || undefined}>
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {busy ? <span>{words.working}</span> : children !== undefined && <span>{children}</span>}
    </button>
  );
}

interface LinkProps {
  href: string;
  look?: Look;
  icon?: IconName;
  small?: boolean;
  download?: boolean | string;
  children: ComponentChildren;
}

export function LinkButton({ href, look = "plain", icon, small = false, download, children }: LinkProps) {
  return (
    <a
      class={`btn btn-${look}${small ? " btn-small" : ""}`}
      href={href}
      {...(download === undefined || download === false ? {} : { download: download === true ? "" : download })}
    >
      {icon && <Icon name={icon} />}
      <span>{children}</span>
    </a>
  );
}

interface IconButtonProps {
  name: IconName;
  label: string;
  onClick: () => void;
}

/** A sign alone; `label` is what it is called. */
export function IconButton({ name, label, onClick }: IconButtonProps) {
  return (
    <button type="button" class="btn btn-quiet btn-round" aria-label={label} title={label} onClick={onClick}>
      <Icon name={name} />
    </button>
  );
}
