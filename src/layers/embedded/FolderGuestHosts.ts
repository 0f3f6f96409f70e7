/**
 * Homes of guests as folders, `<root>/<instance id>/`: `server.json` (what the guest is), `notes.json` (what it
 * must remember), `admin` (its server's administrator password), `order.json` (until it is carried out), and
 * `volume/`. Files are replaced whole, so a crash leaves the old or the new one.
 */
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { drawPassword } from "../../guest/GuestHandlers.ts"
import { GuestNotes } from "../../guest/GuestNotes.ts"
import { ServerSpec } from "../../services/Compute.ts"
import { Provisioning } from "../../services/Provisioning.ts"
import { type GuestHome, GuestHosts } from "./GuestHosts.ts"

const ServerFile = Schema.fromJsonString(
  Schema.Struct({ spec: ServerSpec, runtime: Schema.Literals(["docker", "process"]) })
)
const NotesFile = Schema.fromJsonString(
  Schema.Struct({ phase: Schema.Literals(["new", "preparing", "ready", "failed"]) })
)
const OrderFile = Schema.fromJsonString(Schema.toCodecJson(Provisioning))

/** The disk is the guest's own; when it fails, so does the guest. */
const io = <A>(evaluate: () => Promise<A>) => Effect.orDie(Effect.tryPromise(evaluate))

const readIfThere = (path: string) =>
  io(() =>
    readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null
      throw error
    })
  ).pipe(Effect.map(Option.fromNullOr))

const replace = (path: string, text: string) =>
  io(async () => {
    await writeFile(`${path}.new`, text, { mode: 0o600 })
    await rename(`${path}.new`, path)
  })

const notesIn = (home: string): GuestNotes["Service"] => {
  const notes = join(home, "notes.json")
  const order = join(home, "order.json")
  const admin = join(home, "admin")
  const readPassword = Effect.map(readIfThere(admin), Option.map(Redacted.make<string>))
  return GuestNotes.of({
    phase: Effect.gen(function* () {
      const text = yield* readIfThere(notes)
      if (Option.isNone(text)) return "new"
      return (yield* Effect.orDie(Schema.decodeEffect(NotesFile)(text.value))).phase
    }),
    setPhase: Effect.fnUntraced(function* (phase) {
      yield* replace(notes, yield* Effect.orDie(Schema.encodeEffect(NotesFile)({ phase })))
      if (phase === "ready" || phase === "failed") yield* io(() => rm(order, { force: true }))
    }),
    order: Effect.gen(function* () {
      const text = yield* readIfThere(order)
      if (Option.isNone(text)) return Option.none()
      return Option.some(yield* Effect.orDie(Schema.decodeEffect(OrderFile)(text.value)))
    }),
    keepOrder: Effect.fnUntraced(function* (kept) {
      yield* replace(order, yield* Effect.orDie(Schema.encodeEffect(OrderFile)(kept)))
    }),
    adminPassword: Effect.gen(function* () {
      const known = yield* readPassword
      if (Option.isSome(known)) return known.value
      const drawn = yield* drawPassword
      yield* replace(admin, Redacted.value(drawn))
      return drawn
    })
  })
}

/** `root`: the folder of all homes; it exists. */
export const layer = (root: string): Layer.Layer<GuestHosts> =>
  Layer.sync(GuestHosts, () => {
    const homeAt = (instanceId: string) => join(root, instanceId)

    const load = Effect.fnUntraced(function* (instanceId: string) {
      const home = homeAt(instanceId)
      const text = yield* readIfThere(join(home, "server.json"))
      if (Option.isNone(text)) return Option.none<GuestHome>()
      const { runtime, spec } = yield* Effect.orDie(Schema.decodeEffect(ServerFile)(text.value))
      return Option.some({ spec, runtime, volume: join(home, "volume"), notes: notesIn(home) })
    })

    return GuestHosts.of({
      list: Effect.gen(function* () {
        const names = yield* io(() => readdir(root))
        const homes = yield* Effect.forEach(names, load, { concurrency: 16 })
        return homes.flatMap(Option.toArray)
      }),
      find: load,
      ensure: Effect.fnUntraced(function* (spec, runtime) {
        const home = homeAt(spec.instanceId)
        const volume = join(home, "volume")
        const known = yield* load(spec.instanceId)
        if (Option.isSome(known)) return known.value
        yield* io(() => mkdir(volume, { recursive: true }))
        // Servers of other users walk through here to their own folders, and see nothing else.
        yield* io(() => Promise.all([chmod(home, 0o711), chmod(volume, 0o711)]))
        yield* replace(
          join(home, "server.json"),
          yield* Effect.orDie(Schema.encodeEffect(ServerFile)({ spec, runtime }))
        )
        return { spec, runtime, volume, notes: notesIn(home) }
      }),
      remove: (instanceId) => io(() => rm(homeAt(instanceId), { recursive: true, force: true }))
    })
  })
