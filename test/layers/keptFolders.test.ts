/** What lies beside the data while another version is tried, where something goes on meanwhile that nobody asked for. */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import type { DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { removeTree } from "../../src/layers/embedded/OwnedFiles.ts"
import { copyTree, keptFolders, lookAtTree, sightIn } from "../../src/layers/runtime/KeptFolders.ts"

const aVolume = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-kept it's-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Until the end of the scope. */
const program = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { detached: true, stdio: "ignore" })),
    (child) =>
      Effect.sync(() => {
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
          process.kill(-child.pid, "SIGKILL")
      })
  )

const kept = keptFolders({
  before: () => Effect.void,
  look: lookAtTree,
  copy: copyTree,
  remove: (folder) => removeTree(folder),
  failed: (error) => new RuntimeError({ message: error.message, detail: error.detail, transient: false })
})

const specOn = (volume: string): DatabaseSpec => ({
  ...{ instanceId: "a", datastore: "postgresql", version: "1", image: "none", address: "127.0.0.1", port: 1, volume },
  ...{ memoryMb: 1, vcpus: 1, settings: {}, adminPassword: Redacted.make("none") }
})

it.live("a look at data that a server works on is not led astray by files that come and go", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const volume = yield* aVolume
      const data = join(volume, "data")
      mkdirSync(data)
      writeFileSync(join(data, "large"), Buffer.alloc(1024 ** 2, 1))
      const churn = `const fs = require("node:fs")
        for (let n = 0; ; n++) { fs.writeFileSync("t" + n, ""); fs.rmSync("t" + (n - 3000), { force: true }) }`
      yield* program("sh", "-c", 'cd "$1" && exec "$2" -e "$3"', "sh", data, process.execPath, churn)
      yield* Effect.sync(() => existsSync(join(data, "t4000"))).pipe(
        Effect.repeat({ until: (isBusy) => isBusy, schedule: Schedule.spaced("5 millis") })
      )
      for (let looks = 0; looks < 6; looks++) {
        const { needed } = yield* kept.room(specOn(volume))
        assert.isAtLeast(needed, 1024 ** 2)
      }
      symlinkSync("/tmp", join(data, "elsewhere"))
      assert.strictEqual((yield* Effect.flip(kept.room(specOn(volume)))).detail, join(data, "elsewhere"))
    })
  )
)

it.effect("a look that tells no number, or of a file that cannot be read, is a failure", () =>
  Effect.gen(function* () {
    const gone = "du: cannot access '/v/data/t1': No such file or directory"
    assert.deepEqual(yield* sightIn(`${gone}\n12\t/v/data\n`), { bytes: 12 * 1024, stray: "" })
    assert.deepEqual(yield* sightIn("12\t/v/data\n/v/data/a link\n"), { bytes: 12 * 1024, stray: "/v/data/a link" })
    for (const printed of ["", gone, "du: cannot read directory '/v/data/x': Input/output error\n12\t/v/data\n"])
      yield* Effect.flip(sightIn(printed))
  })
)

it.live("who goes on copying for an agent that was killed is ended before the data is put back", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const volume = yield* aVolume
      const [data, old, copy] = ["data", "data.old", "data.copy-0"].map((name) => join(volume, name))
      for (const [folder = "", text] of [
        [data, "new"],
        [old, "old"],
        [copy, "half"]
      ]) {
        mkdirSync(folder)
        writeFileSync(join(folder, "what"), text ?? "")
      }
      execFileSync("mkfifo", [join(volume, "endless")])
      const copier = yield* program("cp", join(volume, "endless"), `${copy}/endless`)
      const other = yield* program("sleep", "600")
      yield* kept.putBack(specOn(volume))
      const has = (child: typeof copier) => child.exitCode !== null || child.signalCode !== null
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => has(copier), times: 200 }))
      assert.deepEqual([copier.signalCode, has(other)], ["SIGKILL", false])
      assert.deepEqual([existsSync(old ?? ""), existsSync(copy ?? "")], [false, false])
      assert.strictEqual(execFileSync("cat", [`${data}/what`], { encoding: "utf8" }), "old")
    })
  )
)
