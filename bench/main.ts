/**
 * `npm run bench [row ...]`: how far we are from what the machine can do. Every row measures us beside bare tools
 * in the same run, for the ratio holds where absolute figures do not. `--list` names the rows, `--quick` tries
 * whether they work, `--operations=N` says how many a row does that counts them.
 */
import { availableParallelism, cpus, loadavg, totalmem } from "node:os"
import { Cause, Effect, Exit } from "effect"
import { type Figure, missing, type Row } from "./Row.ts"
import { accept } from "./rows/accept.ts"
import { active } from "./rows/active.ts"
import { call } from "./rows/call.ts"
import { cast } from "./rows/cast.ts"
import { command } from "./rows/command.ts"
import { fabricHeartbeats } from "./rows/fabricHeartbeats.ts"
import { guests } from "./rows/guests.ts"
import { heartbeats } from "./rows/heartbeats.ts"
import { list } from "./rows/list.ts"
import { memory } from "./rows/memory.ts"
import { start } from "./rows/start.ts"
import { storage } from "./rows/storage.ts"
import { takeover } from "./rows/takeover.ts"

const rows: ReadonlyArray<Row> = [
  list,
  accept,
  active,
  memory,
  start,
  heartbeats,
  cast,
  call,
  fabricHeartbeats,
  command,
  guests,
  takeover,
  storage
]

const machine = () => {
  const load = loadavg()[0]?.toFixed(2)
  const name = cpus()[0]?.model.trim()
  return `${new Date().toISOString().slice(0, 16)}Z  ${availableParallelism()} cores (${name}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, load before: ${load}`
}

const print = (figures: ReadonlyArray<Figure>) => {
  const head = ["what", "ours", "limit", "ratio", "target", ""]
  const verdict = ({ met }: Figure) => (met === null ? "" : met ? "pass" : "MISS")
  const lines = figures.map((figure) => [
    figure.name,
    figure.ours,
    figure.limit,
    figure.ratio,
    figure.target,
    verdict(figure)
  ])
  const widths = head.map((title, n) => Math.max(...[head, ...lines].map((line) => line[n]?.length ?? title.length)))
  for (const line of [head, ...lines])
    console.log(
      line
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join("  ")
        .trimEnd()
    )
  for (const { name, notes } of figures) {
    if (notes.length > 0) console.log(`\n${name}`)
    for (const note of notes) console.log(`  ${note}`)
  }
}

const asked = process.argv.slice(2)
const flags = new Set(asked.filter((word) => word.startsWith("--")))
const keys = asked.filter((word) => !word.startsWith("--"))
const counting = /^--operations=([1-9]\d{0,6})$/
const counted = [...flags].flatMap((flag) => counting.exec(flag)?.[1] ?? []).map(Number)[0]
const unknown = [
  ...[...flags].filter((flag) => flag !== "--quick" && flag !== "--list" && !counting.test(flag)),
  ...keys.filter((key) => !rows.some((row) => row.key === key))
]

const measure = (row: Row) =>
  Effect.scoped(row.measure({ quick: flags.has("--quick"), operations: counted ?? null })).pipe(
    Effect.exit,
    Effect.map((exit) =>
      Exit.isSuccess(exit) ? exit.value : [{ ...missing(row.title, "", Cause.pretty(exit.cause)), met: false }]
    )
  )

if (unknown.length > 0) {
  console.error(
    `bench: ${unknown.join(", ")}? Rows: ${rows.map(({ key }) => key).join(", ")}; flags: --list, --quick, --operations=N`
  )
  process.exitCode = 2
} else if (flags.has("--list")) {
  for (const { key, title } of rows) console.log(`${key.padEnd(20)}${title}`)
} else {
  const chosen = keys.length === 0 ? rows : rows.filter(({ key }) => keys.includes(key))
  console.log(`${machine()}\n`)
  const figures: Figure[] = []
  const all = Effect.forEach(chosen, (row) =>
    Effect.andThen(
      Effect.sync(() => console.error(`measuring: ${row.title} ...`)),
      Effect.map(measure(row), (taken) => figures.push(...taken))
    )
  )
  await Effect.runPromise(all)
  print(figures)
}
