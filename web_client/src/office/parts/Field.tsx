/** Fields of forms: a label, what to fill in, help, and what is wrong with it. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { words } from "words/parts";

interface Common {
  label: string;
  help?: string | undefined;
  problem?: string | undefined;
  optional?: boolean;
}

interface Described {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: "true";
}

/** The frame of a field; `children` gets what ties the control to its words. */
export function Field({ label, help, problem, optional, children }: Common & { children: (tied: Described) => ComponentChildren }) {
  const id = useId();
  const described = [problem ? `${id}-problem` : "", help ? `${id}-help` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>
        {label} {optional && <span class="soft">({words.optional})</span>}
      </label>
      {children({
        id,
        ...(described ? { "aria-describedby": described } : {}),
        ...(problem ? { "aria-invalid": "true" as const } : {}),
      })}
      {problem && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

interface InputProps extends Common {
  value: string;
  onValue: (value: string) => void;
  type?: "text" | "password" | "search" | "email" | "url" | "date" | "time" | "number" | "datetime-local";
  required?: boolean;
  disabled?: boolean;
  placeholder?: string;
  autocomplete?: string;
  autocapitalize?: "none" | "sentences" | "words" | "characters";
  spellcheck?: boolean;
  inputMode?: "text" | "numeric" | "decimal" | "url" | "email" | "search";
  minLength?: number;
  maxLength?: number;
  min?: string;
  max?: string;
}

export function TextField({ label, help, problem, optional, value, onValue, type = "text", ...input }: InputProps) {
  // The types of elements tie each kind of input to attributes of its own; those above go with all of them.
  const kind: { type: string } = { type };
  return (
    <Field label={label} help={help} problem={problem} {...(optional ? { optional } : {})}>
      {(tied) => (
        <input {...input} {...tied} {...(kind as { type: "text" })} value={value} onInput={(event) => onValue(event.currentTarget.value)} />
      )}
    </Field>
  );
}

type SelectProps<T extends string> = Common & {
  value: T;
  options: readonly { value: T; label: string }[];
  disabled?: boolean;
  onValue: (value: T) => void;
};

export function SelectField<T extends string>({ value, options, disabled, onValue, ...common }: SelectProps<T>) {
  return (
    <Field {...common}>
      {(tied) => (
        <select {...tied} value={value} disabled={disabled ?? false} onChange={(event) => onValue(event.currentTarget.value as T)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckProps {
  label: string;
  help?: string;
  checked: boolean;
  disabled?: boolean;
  onValue: (checked: boolean) => void;
}

export function CheckField({ label, help, checked, disabled, onValue }: CheckProps) {
  const id = useId();
  return (
    <div class="field check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled ?? false}
        {...(help ? { "aria-describedby": `${id}-help` } : {})}
        onChange={(event) => onValue(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {help && (
        <p class="help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}
