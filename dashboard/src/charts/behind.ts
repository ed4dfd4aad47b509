//! Which pictures stand behind a cell of a confusion matrix, from the run's artifact `items`.

import type { Artifact } from "whyglass";

export interface Behind {
  item: string;
  /** Of what the model took it for. */
  probability: number;
}

/** Pictures by cell, the surest first: `row * side + column`. `labels` are the model's; classes without a row of their own
 * are in the last. */
export function pictures(items: Artifact | undefined, names: readonly string[], labels: readonly string[]): Map<number, Behind[]> {
  const places = new Map(names.map((name, place) => [name, place]));
  const place = (index: number) => places.get(labels[index] ?? String(index)) ?? names.length - 1;
  const cells = new Map<number, Behind[]>();
  const columns = items?.shape[1] ?? 3;
  (items?.frame.table?.rows ?? []).forEach((item, i) => {
    const [truth = 0, predicted = 0, probability = 0] = items?.values.subarray(i * columns, i * columns + 3) ?? [];
    const cell = place(truth) * names.length + place(predicted);
    cells.set(cell, [...(cells.get(cell) ?? []), { item, probability }]);
  });
  for (const found of cells.values()) found.sort((a, b) => b.probability - a.probability);
  return cells;
}
