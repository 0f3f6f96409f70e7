/**
 * Homes of guests as folders, `<root>/<instance id>/`: `server.json` (what the guest is), `notes.json` (what it
 * must remember), `admin` (its server's administrator password), `link.json` (its way into the fabric), `replay`
 * (what it has heard), `stamp` (what it may have told), `order.json` (until it is carried out), `overrides.json` (what its server is set to),
 * `access.json` (who reaches it), `logs.json` (which of its logs are on), `release.json` (which program works on the data), `volume/`, and `volume.img` where the volume is a file
 * system in a file. Files are replaced whole and are on the disk before anything is confirmed.
 */
import { chmod, mkdir, readdir, readFile, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { drawPassword, passwordLength } from "../../guest/GuestHandlers.ts"
import { firstRelease, GuestNotes, Logs, noOverrides, Overrides, Phase, Release } from "../../guest/GuestNotes.ts"
import { Networks } from "../../services/AllowedNetworks.ts"
import { ServerSpec } from "../../services/Compute.ts"
import { GuestLink } from "../../services/GuestAccess.ts"
import { Provisioning } from "../../services/Provisioning.ts"
import { replaceFile, syncFolder, writing } from "./DurableFile.ts"
import { type GuestHome, GuestHosts, GuestHostsError, isSameLink, isSameSize, resizedSpec } from "./GuestHosts.ts"
import * as LoopVolume from "./LoopVolume.ts"
import { removeTree } from "./OwnedFiles.ts"
import { replayFile } from "./ReplayFile.ts"
import { obstacleOf, StorageProbe } from "./StorageProbe.ts"
import { Volumes } from "./VolumeKinds.ts"
import { folderOf, VolumeKind, type VolumesShape } from "./Volumes.ts"

const ServerFile = Schema.fromJsonString(
  Schema.Struct({
    spec: ServerSpec,
    runtime: Schema.Literals(["docker", "process"]),
    /** Until there were others, it was a folder. */
    volume: VolumeKind.pipe(Schema.withDecodingDefaultKey(Effect.succeed("folder" as const)))
  })
)
type Server = (typeof ServerFile)["Type"]
const NotesFile = Schema.fromJsonString(Schema.Struct({ phase: Phase }))
const OrderFile = Schema.fromJsonString(Schema.toCodecJson(Provisioning))

const LinkFile = Schema.fromJsonString(GuestLink)
const AccessFile = Schema.fromJsonString(Networks)
const OverridesFile = Schema.fromJsonString(Overrides)
const ReleaseFile = Schema.fromJsonString(Release)
const LogsFile = Schema.fromJsonString(Logs)
const StampFile = Schema.fromJsonString(Schema.Finite)

const attempt = <A>(evaluate: () => Promise<A>) =>
  Effect.tryPromise({ try: evaluate, catch: (error) => new GuestHostsError({ detail: String(error) }) })

/** The text of a file. An empty one says nothing: its name came to the disk, what it held did not. */
const readIfThere = (path: string) =>
  attempt(() =>
    readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return ""
      throw error
    })
  ).pipe(Effect.map(Option.liftPredicate((text) => text !== "")))

/** What a file says. What is wrong with it is not told in full, for it may hold passwords. */
const read = Effect.fnUntraced(function* <A>(path: string, schema: Schema.Codec<A, string>) {
  const text = yield* readIfThere(path)
  if (Option.isNone(text)) return Option.none<A>()
  return yield* Schema.decodeEffect(schema)(text.value).pipe(
    Effect.mapBoth({ onSuccess: Option.some, onFailure: () => new GuestHostsError({ detail: `${path} is damaged` }) })
  )
})

const write = <A>(path: string, schema: Schema.Codec<A, string>, value: A) =>
  Effect.flatMap(Effect.orDie(Schema.encodeEffect(schema)(value)), (text) =>
    writing(path, () => replaceFile(path, text))
  )

const removeFile = (path: string) => writing(path, () => rm(path, { force: true }))

/** The disk is the guest's own; when it cannot be read, the guest fails with it. */
const notesIn = (home: string): GuestNotes["Service"] => {
  const notes = join(home, "notes.json")
  const order = join(home, "order.json")
  const stamp = join(home, "stamp")
  const overrides = join(home, "overrides.json")
  const release = join(home, "release.json")
  const access = join(home, "access.json")
  const logs = join(home, "logs.json")
  const admin = join(home, "admin")
  return GuestNotes.of({
    phase: read(notes, NotesFile).pipe(
      Effect.orDie,
      Effect.map(
        Option.match({
          onNone: () => "new",
          onSome: ({ phase }) => phase
        })
      )
    ),
    setPhase: Effect.fnUntraced(function* (phase) {
      yield* write(notes, NotesFile, { phase })
      if (phase === "ready" || phase === "failed") yield* removeFile(order)
    }),
    order: Effect.orDie(read(order, OrderFile)),
    keepOrder: (kept) => write(order, OrderFile, kept),
    overrides: read(overrides, OverridesFile).pipe(Effect.orDie, Effect.map(Option.getOrElse(() => noOverrides))),
    keepOverrides: (kept) => write(overrides, OverridesFile, kept),
    release: read(release, ReleaseFile).pipe(Effect.orDie, Effect.map(Option.getOrElse(() => firstRelease))),
    keepRelease: (kept) => write(release, ReleaseFile, kept),
    access: read(access, AccessFile).pipe(Effect.orDie, Effect.map(Option.getOrElse(() => []))),
    keepAccess: (networks) => write(access, AccessFile, networks),
    logs: read(logs, LogsFile).pipe(Effect.orDie, Effect.map(Option.getOrElse(() => ({})))),
    keepLogs: (kept) => write(logs, LogsFile, kept),
    stamp: read(stamp, StampFile).pipe(Effect.orDie, Effect.map(Option.getOrElse(() => 0))),
    reserveStamps: (upTo) => write(stamp, StampFile, upTo),
    adminPassword: Effect.gen(function* () {
      const known = yield* Effect.orDie(readIfThere(admin))
      // A part of it opens nothing, and no server was ever given it: it is kept before it is used.
      if (Option.isSome(known) && known.value.length === passwordLength) return Redacted.make(known.value)
      const drawn = yield* drawPassword
      yield* writing(admin, () => replaceFile(admin, Redacted.value(drawn)))
      return drawn
    })
  })
}

/** `root`: the folder of all homes; it exists. Whether it can take another one is what `StorageProbe` finds out. */
export const layer = (root: string): Layer.Layer<GuestHosts> =>
  Layer.merge(
    Layer.effect(
      GuestHosts,
      Effect.map(Volumes, (volumes) => homesIn(root, volumes))
    ),
    Layer.succeed(StorageProbe, obstacleOf(root))
  )

const homesIn = (root: string, volumes: VolumesShape) => {
  const homeAt = (instanceId: string) => join(root, instanceId)

  const linkFile = (instanceId: string) => join(homeAt(instanceId), "link.json")

  const serverFile = (instanceId: string) => join(homeAt(instanceId), "server.json")

  const homeOf = ({ runtime, spec, volume }: Server, link: GuestLink | null): GuestHome => {
    const home = homeAt(spec.instanceId)
    return {
      spec,
      runtime,
      link,
      volume: folderOf(home),
      disk: {
        ...volumes.of(volume, home),
        size: Effect.map(
          Effect.orDie(read(serverFile(spec.instanceId), ServerFile)),
          Option.match({ onNone: () => spec.volumeSize, onSome: (now) => now.spec.volumeSize })
        )
      },
      notes: notesIn(home),
      replayFloor: replayFile(join(home, "replay"))
    }
  }

  const load = Effect.fnUntraced(function* (instanceId: string) {
    const server = yield* read(serverFile(instanceId), ServerFile)
    if (Option.isNone(server)) return Option.none<GuestHome>()
    const link = yield* read(linkFile(instanceId), LinkFile)
    return Option.some(homeOf(server.value, Option.getOrNull(link)))
  })

  const keepLink = (instanceId: string, link: GuestLink | null) =>
    link === null ? removeFile(linkFile(instanceId)) : write(linkFile(instanceId), LinkFile, link)

  /** One that is damaged, or is no home at all, keeps none of the others from being found. */
  const loadOrTell = (name: string) =>
    Effect.catch(load(name), ({ detail }) =>
      Effect.as(Effect.logError(`there is no guest to start in ${homeAt(name)}: ${detail}`), Option.none<GuestHome>())
    )

  const sinceOf = (name: string) =>
    attempt(() => stat(homeAt(name))).pipe(
      Effect.map(({ birthtimeMs }) => (birthtimeMs > 0 ? Math.floor(birthtimeMs) : null)),
      // Gone again, or not to be looked at: that it was there is all that is known.
      Effect.orElseSucceed(() => null)
    )

  return GuestHosts.of({
    root,
    volumeOf: (instanceId) => folderOf(homeAt(instanceId)),
    remains: Effect.gen(function* () {
      const names = yield* attempt(() => readdir(root))
      // Ours begin with a dot.
      const homes = names.filter((name) => !name.startsWith("."))
      return yield* Effect.forEach(
        homes,
        (instanceId) => Effect.map(sinceOf(instanceId), (since) => ({ instanceId, since })),
        { concurrency: 16 }
      )
    }),
    list: Effect.gen(function* () {
      const names = yield* Effect.orDie(attempt(() => readdir(root)))
      const homes = yield* Effect.forEach(names, loadOrTell, { concurrency: 16 })
      return homes.flatMap(Option.toArray)
    }),
    find: load,
    ensure: Effect.fnUntraced(function* (spec, link, runtime) {
      const home = homeAt(spec.instanceId)
      const volume = folderOf(home)
      const known = yield* read(serverFile(spec.instanceId), ServerFile)
      if (Option.isSome(known)) {
        const found = known.value
        const { link: before } = Option.getOrElse(yield* load(spec.instanceId), () => ({ link: null }))
        if (!isSameLink(before, link)) yield* keepLink(spec.instanceId, link)
        const resized = { ...found, spec: resizedSpec(found.spec, spec) }
        if (!isSameSize(found.spec, resized.spec)) yield* write(serverFile(spec.instanceId), ServerFile, resized)
        return homeOf(resized, link)
      }
      // What was begun before the machine was told to have other volumes keeps its kind.
      const begun = yield* Effect.mapError(LoopVolume.kindIn(home), ({ detail }) => new GuestHostsError({ detail }))
      const server: Server = { spec, runtime, volume: begun ?? volumes.kind }
      const made = homeOf(server, link)
      yield* writing(volume, () => mkdir(volume, { recursive: true }))
      yield* Effect.catchTag(made.disk.make(spec.volumeSize), "VolumeError", ({ detail }) =>
        Effect.fail(new GuestHostsError({ detail }))
      )
      // Servers of other users walk through here to their own folders, and see nothing else.
      yield* writing(home, () => Promise.all([chmod(home, 0o711), chmod(volume, 0o711)]))
      yield* keepLink(spec.instanceId, link)
      // The last: with it the folder is a home.
      yield* write(serverFile(spec.instanceId), ServerFile, server)
      yield* writing(root, () => syncFolder(root))
      return made
    }),
    remove: (instanceId) =>
      // Of whatever kind it is, and be it half a home of which no kind is known.
      LoopVolume.letGo(homeAt(instanceId)).pipe(
        Effect.mapError(({ detail }) => new GuestHostsError({ detail })),
        Effect.andThen(
          Effect.mapError(removeTree(homeAt(instanceId)), ({ message }) => new GuestHostsError({ detail: message }))
        ),
        // A home that came back after a power cut would be started.
        Effect.andThen(attempt(() => syncFolder(root)))
      )
  })
}
