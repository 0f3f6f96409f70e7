/** `coffer instance hwinfo`, `diagnostics`: the machine that a database has, and its process, for administrators. */
import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { plain, table } from "../layers/config/terminalText.ts"
import { asking } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { look, tell } from "./document.ts"
import { inside } from "./inside.ts"
import { json, nameOrId } from "./instanceFlags.ts"

const Hardware = Schema.Struct({ hwinfo: Schema.Struct({ mem_total: Schema.Number, num_cpus: Schema.Number }) })

const Diagnostics = Schema.Struct({
  diagnostics: Schema.Struct({
    version: Schema.String,
    threads: Schema.Number,
    fdSize: Schema.Number,
    vmSize: Schema.Number,
    vmPeak: Schema.Number,
    vmRss: Schema.Number,
    vmHwm: Schema.Number
  })
})

const kilobytes = (kb: number) => `${kb} kB`

const renderHardware = ({ hwinfo }: typeof Hardware.Type) =>
  table([
    ["MEMORY", "PROCESSORS"],
    [kilobytes(hwinfo.mem_total), `${hwinfo.num_cpus}`]
  ])

const renderDiagnostics = ({ diagnostics: told }: typeof Diagnostics.Type) =>
  table([
    ["VERSION", "THREADS", "FILES", "IN MEMORY", "AT THE MOST", "MAPPED", "AT THE MOST"],
    [
      plain(told.version),
      `${told.threads}`,
      `${told.fdSize}`,
      ...[told.vmRss, told.vmHwm, told.vmSize, told.vmPeak].map(kilobytes)
    ]
  ])

const telling = <Name extends string, A, I>(
  name: Name,
  schema: Schema.Codec<A, I>,
  render: (told: A) => string,
  description: string,
  example: string
) =>
  Command.make(name, { nameOrId, json, ...connectionFlags }, (asked) =>
    inside(asked, (connection, path) =>
      Effect.flatMap(look(connection, `/mgmt${path}/${name}`), (found) =>
        tell(connection, asked, found, schema, render)
      )
    ).pipe(asking)
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `coffer instance ${name} first`, description: example }])
  )

export const hwinfo = telling(
  "hwinfo",
  Hardware,
  renderHardware,
  "For administrators: show how much memory and how many processors its server may have",
  "Its container's limits, or those of the machine"
)

export const diagnostics = telling(
  "diagnostics",
  Diagnostics,
  renderDiagnostics,
  "For administrators: show how the main process of its server is",
  "As the kernel tells of it"
)
