/** What is told at the end. */
import type { Fault } from "./Fault.ts"
import type { Fleet } from "./Fleet.ts"
import type { Result } from "./Round.ts"
import { seconds } from "./wording.ts"

const heading = ["fault", "times", "lost", "left over", "failed", "recovered in", "at worst"]

const count = (results: ReadonlyArray<Result>, of: "lost" | "left" | "failed") =>
  String(results.reduce((sum, result) => sum + result[of].length, 0))

const median = (sorted: ReadonlyArray<number>) => sorted[Math.floor((sorted.length - 1) / 2)]

const row = (kind: string, results: ReadonlyArray<Result>) => {
  const times = results.flatMap(({ recovered }) => recovered ?? []).sort((one, other) => one - other)
  const [middle, worst] = [median(times), times.at(-1)]
  return [
    kind,
    String(results.length),
    count(results, "lost"),
    count(results, "left"),
    count(results, "failed"),
    middle === undefined ? "-" : seconds(middle),
    worst === undefined ? "-" : seconds(worst)
  ]
}

const draw = (rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = heading.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? "").length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(" | ")} |`
  const [first = [], ...others] = rows
  return [line(first), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...others.map(line)].join("\n")
}

export const legend = `lost: accepted, and neither done nor visibly failed within 5 minutes; done twice; data that is gone; no recovery.
left over: what coffer audit finds after the fault, and what is there when everything was deleted.
failed: operations that told their tenant of a failure.
recovered in: from the fault, or from its end where it lasts, until every process is healthy, every operation that was
under way has moved on, every database in service answers with its data, and an order given then is served: the median.`

/** Markdown, which reads as well on a terminal. */
export const table = (fleet: Fleet, faults: ReadonlyArray<Fault>, results: ReadonlyArray<Result>) => {
  const rows = [...faults.map(({ kind }) => kind), "all deleted"].flatMap((kind) => {
    const mine = results.filter((result) => result.kind === kind)
    return mine.length === 0 ? [] : [row(kind, mine)]
  })
  const impossible = faults.flatMap((fault) => {
    const why = fault.obstacle(fleet)
    return why === null ? [] : [`not possible here: ${fault.kind} (${why})`]
  })
  return [draw([heading, ...rows]), ...impossible].join("\n")
}
