/** What all LogFiles do with a log that somebody else writes. An adapter's test says how a server writes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { keptBytes, type LogFiles, type LogOwner } from "../../src/guest/LogFiles.ts"

export interface LogFilesSubject {
  readonly files: LogFiles
  /** A server that has written nothing yet, and how it writes into its log `general`. */
  readonly server: Effect.Effect<
    { readonly owner: LogOwner; readonly write: (text: string) => Effect.Effect<void> },
    never,
    Scope.Scope
  >
}

const log = "general"

export const logFilesConformance = (name: string, { files, server }: LogFilesSubject) =>
  describe(name, () => {
    const behaves = (
      behaviour: string,
      test: (owner: LogOwner, write: (text: string) => Effect.Effect<void>) => Effect.Effect<void, unknown>
    ) => it.live(behaviour, () => Effect.scoped(Effect.flatMap(server, ({ owner, write }) => test(owner, write))))

    const read = (owner: LogOwner, offset: number, most = 1000) =>
      Effect.map(files.read(owner, log, offset, most), (bytes) => Buffer.from(bytes).toString())

    behaves("begins with nothing, and knows no log of another name", (owner) =>
      Effect.gen(function* () {
        assert.deepEqual(yield* files.extent(owner, log), { begins: 0, ends: 0 })
        assert.isNull(yield* files.extent(owner, "nosuch"))
        assert.strictEqual(yield* read(owner, 0), "")
        yield* files.cut(owner, "nosuch", 0)
      })
    )

    behaves("reads from an offset on, as much as is asked for, and nothing beyond the end", (owner, write) =>
      Effect.gen(function* () {
        yield* write("one\ntwo\n")
        assert.deepEqual(yield* files.extent(owner, log), { begins: 0, ends: 8 })
        assert.strictEqual(yield* read(owner, 4), "two\n")
        assert.strictEqual(yield* read(owner, 2, 3), "e\nt")
        assert.strictEqual(yield* read(owner, 8), "")
        assert.strictEqual(yield* read(owner, 80), "")
      })
    )

    behaves("forgets what lies before a cut; offsets go on, and so does the server", (owner, write) =>
      Effect.gen(function* () {
        yield* write("one\ntwo\n")
        yield* files.cut(owner, log, 4)
        assert.deepEqual(yield* files.extent(owner, log), { begins: 4, ends: 8 })
        yield* write("three\n")
        assert.strictEqual(yield* read(owner, 4), "two\nthree\n")
        assert.strictEqual(yield* read(owner, 0), "")
        // Across the place at which it was cut.
        assert.strictEqual(yield* read(owner, 6, 4), "o\nth")
        yield* files.cut(owner, log, 10)
        assert.strictEqual(yield* read(owner, 10), "ree\n")
        yield* files.cut(owner, log, 1000)
        assert.deepEqual(yield* files.extent(owner, log), { begins: 14, ends: 14 })
        yield* files.cut(owner, log, 0)
        yield* write("four\n")
        assert.strictEqual(yield* read(owner, 14), "four\n")
      })
    )

    behaves("keeps of a log that has grown large no more than its end", (owner, write) =>
      Effect.gen(function* () {
        const line = `${"x".repeat(1023)}\n`
        yield* write(line.repeat(3 * (keptBytes / 1024)))
        assert.isTrue(yield* files.isLarge(owner, log))
        yield* files.cut(owner, log, 0)
        assert.isFalse(yield* files.isLarge(owner, log))
        assert.deepEqual(yield* files.extent(owner, log), { begins: 2 * keptBytes, ends: 3 * keptBytes })
        yield* write("last\n")
        assert.strictEqual(yield* read(owner, 3 * keptBytes - 2), "x\nlast\n")
      })
    )
  })
