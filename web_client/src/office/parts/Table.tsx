/** A table; on a narrow screen each row becomes a card whose cells say what they are. */
import type { ComponentChildren } from "preact";

export interface Column<T> {
  key: string;
  label: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand at the right; actions have no label on a card. */
  kind?: "text" | "number" | "actions";
}

interface Props<T> {
  /** What the table is about, for those who do not see it. */
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
}

export function Table<T>({ caption, columns, rows, rowKey }: Props<T>) {
  return (
    <table class="table">
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.key} scope="col" class={`col-${column.kind ?? "text"}`}>
              {column.kind === "actions" ? <span class="unseen">{column.label}</span> : column.label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)}>
            {columns.map((column, index) =>
              index === 0 ? (
                <th key={column.key} scope="row">
                  {column.cell(row)}
                </th>
              ) : (
                <td key={column.key} class={`col-${column.kind ?? "text"}`} data-label={column.kind === "actions" ? "" : column.label}>
                  {column.cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
