/** Logs as files: the conformance suite, and what a cut that was cut short, and a server that means no good, leave. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { emptyLogs, logFile, logFiles, logFolder, prepareLogs } from "../../src/layers/runtime/LogFolder.ts"
import { logFilesConformance } from "../conformance/logFiles.ts"
import { unmountBelow } from "../support/mounts.ts"

const server = Effect.acquireRelease(
  Effect.promise(async () => {
    const volume = fs.mkdtempSync(join(tmpdir(), "coffer-logs-"))
    await prepareLogs({ datastore: "mariadb", volume }, { mode: 0o600, owner: null })
    return volume
  }),
  (volume) => Effect.sync(() => fs.rmSync(volume, { recursive: true }))
).pipe(
  Effect.flatMap((volume) =>
    Effect.acquireRelease(
      Effect.sync(() => ({ volume, fd: fs.openSync(logFile(volume, "general"), "a") })),
      ({ fd }) => Effect.sync(() => fs.closeSync(fd))
    )
  ),
  Effect.map(({ fd, volume }) => ({
    owner: { instanceId: "a", volume },
    write: (text: string) => Effect.sync(() => void fs.writeSync(fd, text))
  }))
)

logFilesConformance("LogFolder", { files: logFiles, server })

const live = (name: string, test: (at: Effect.Success<typeof server>) => Effect.Effect<void, unknown>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(server, test)))

const textOf = (owner: { readonly instanceId: string; readonly volume: string }) =>
  Effect.gen(function* () {
    const extent = yield* logFiles.extent(owner, "general")
    if (extent === null) return null
    return Buffer.from(yield* logFiles.read(owner, "general", extent.begins, 1000)).toString()
  })

live("a cut that was cut short loses nothing, and the next one clears away what it left", ({ owner, write }) =>
  Effect.gen(function* () {
    const current = logFile(owner.volume, "general")
    yield* write("one\n")
    yield* logFiles.cut(owner, "general", 0)
    yield* write("two\n")
    // Killed between the rename and the emptying: what is there twice is told twice, and nothing is missing.
    fs.writeFileSync(`${current}.new`, "half of")
    fs.writeFileSync(`${current}.8`, "one\ntwo\n")
    assert.strictEqual(yield* textOf(owner), "one\ntwo\ntwo\n")
    yield* logFiles.cut(owner, "general", 0)
    assert.strictEqual(yield* textOf(owner), "one\ntwo\ntwo\n")
    const names = fs.readdirSync(logFolder(owner.volume)).filter((name) => name.startsWith("general"))
    assert.sameMembers(names, ["general.log", "general.log.12"])
  })
)

live("reads and cuts nothing that was put in the place of a log", ({ owner }) =>
  Effect.gen(function* () {
    const secret = join(owner.volume, "secret")
    fs.writeFileSync(secret, "not for you\n")
    const current = logFile(owner.volume, "general")
    fs.rmSync(current)
    fs.symlinkSync(secret, current)
    assert.strictEqual(
      (yield* Effect.flip(logFiles.read(owner, "general", 0, 100))).message,
      "The log cannot be read or cut."
    )
    yield* Effect.flip(logFiles.cut(owner, "general", 0))
    assert.strictEqual(fs.readFileSync(secret, "utf8"), "not for you\n")
  })
)

live("where the files are there already, a server that is started anew goes on in them", ({ owner, write }) =>
  Effect.gen(function* () {
    yield* write("one\n")
    yield* Effect.promise(() => prepareLogs({ datastore: "mariadb", ...owner }, { mode: 0o666, owner: null }))
    assert.strictEqual(yield* textOf(owner), "one\n")
    assert.strictEqual(fs.statSync(logFile(owner.volume, "general")).mode & 0o777, 0o666)
    assert.strictEqual(fs.statSync(logFolder(owner.volume)).mode & 0o777, 0o711)
  })
)

live(
  "what a tenant could read of an initialisation is emptied; what is not there, and the server's own log, is left",
  (at) =>
    Effect.gen(function* () {
      const { owner, write } = at
      yield* write("ALTER USER root IDENTIFIED BY 'secret'\n")
      fs.writeFileSync(logFile(owner.volume, "error"), "ready\n")
      fs.rmSync(logFile(owner.volume, "slow_query"))
      yield* Effect.promise(() => emptyLogs({ datastore: "mariadb", ...owner }))
      assert.strictEqual(yield* textOf(owner), "")
      assert.strictEqual(fs.readFileSync(logFile(owner.volume, "error"), "utf8"), "ready\n")
    })
)

live("a log that was made longer than offsets go begins again", ({ owner, write }) =>
  Effect.gen(function* () {
    yield* write("one\n")
    fs.writeFileSync(`${logFile(owner.volume, "general")}.${2 ** 53 - 2}`, "")
    assert.isAtMost((yield* logFiles.extent(owner, "general"))?.ends ?? Number.NaN, 2 ** 52)
    yield* logFiles.cut(owner, "general", 0)
    assert.deepEqual(yield* logFiles.extent(owner, "general"), { begins: 0, ends: 0 })
    yield* write("two\n")
    assert.strictEqual(yield* textOf(owner), "two\n")
  })
)

live("of a log that cannot be emptied nothing is copied", ({ owner }) =>
  Effect.gen(function* () {
    // Nobody can write to a program that runs.
    const current = logFile(owner.volume, "slow_query")
    fs.copyFileSync("/bin/sleep", current)
    fs.chmodSync(current, 0o700)
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const child = spawn(current, ["60"])
        await once(child, "spawn")
        return child
      }),
      (child) => Effect.sync(() => child.kill())
    )
    yield* Effect.flip(logFiles.cut(owner, "slow_query", 0))
    yield* Effect.flip(logFiles.cut(owner, "slow_query", 1))
    const names = fs.readdirSync(logFolder(owner.volume)).filter((name) => name.startsWith("slow_query"))
    assert.deepEqual(names, ["slow_query.log"])
  }).pipe(Effect.scoped)
)

const isRoot = process.getuid?.() === 0
const why = isRoot ? "" : " (skipped: only root may mount a small disk)"

it.live.skipIf(!isRoot)(`a log whose disk has no room for a name even is emptied, and its offsets go on${why}`, () =>
  Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "coffer-logs-"))),
      (root) =>
        Effect.sync(() => {
          unmountBelow(root)
          fs.rmSync(root, { recursive: true })
        })
    )
    const owner = { instanceId: "a", volume: join(root, "volume") }
    fs.mkdirSync(owner.volume)
    execFileSync("mount", ["-t", "tmpfs", "coffer-logs", owner.volume])
    yield* Effect.promise(() => prepareLogs({ datastore: "mariadb", ...owner }, { mode: 0o600, owner: null }))
    const current = logFile(owner.volume, "general")
    const write = (text: string) => fs.appendFileSync(current, text)
    const hasRoom = (files: number) =>
      execFileSync("mount", ["-o", `remount,nr_inodes=${files}`, "coffer-logs", owner.volume])
    // The folders, and three logs.
    hasRoom(5)
    write("one\n")
    yield* logFiles.cut(owner, "general", 0)
    assert.deepEqual(yield* logFiles.extent(owner, "general"), { begins: 0, ends: 0 })
    hasRoom(6)
    write("one\n")
    yield* logFiles.cut(owner, "general", 0)
    write("two\n")
    assert.strictEqual(yield* textOf(owner), "one\ntwo\n")
    yield* logFiles.cut(owner, "general", 0)
    assert.deepEqual(yield* logFiles.extent(owner, "general"), { begins: 8, ends: 8 })
    write("three\n")
    assert.strictEqual(yield* textOf(owner), "three\n")
  }).pipe(Effect.scoped)
)
