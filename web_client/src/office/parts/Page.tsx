/** The frame of a page: its heading, what can be done, and its sections. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { words } from "words/shell";
import { place } from "../router";

interface Props {
  title: string;
  lead?: string;
  /** Buttons beside the heading. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, lead, actions, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = words.titled(title);
  }, [title]);
  useEffect(() => {
    // Whoever came by a link goes on at the new page's heading, as after loading it.
    if (place.peek().moved) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <header class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <p class="lead">{lead}</p>}
        </div>
        {actions !== undefined && <div class="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

interface SectionProps {
  title: string;
  actions?: ComponentChildren;
  children: ComponentChildren;
  /** Beside its neighbours where there is room. */
  class?: string;
}

/** A part of a page, with a heading of its own. */
export function Section({ title, actions, children, class: more }: SectionProps) {
  const id = useId();
  return (
    <section class={`panel${more === undefined ? "" : ` ${more}`}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{title}</h2>
        {actions}
      </header>
      {children}
    </section>
  );
}
