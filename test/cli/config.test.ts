/** `coffer config`, as a process: what it prints where, how it ends, and what it writes. */
import { chmodSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { settings } from "../../src/layers/config/settings.ts"
import { complete, fileWith, key, secrets, temporaryFolder } from "../config/fixture.ts"
import * as Process from "./process.ts"

const coffer = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Process.coffer(["config", ...args], env)

const controlPlane = {
  COFFER_DATABASE_URL: `postgresql://coffer:${secrets.database}@h/d`,
  COFFER_BROKER_URLS: `amqp://coffer:${secrets.broker}@h`
}

describe("init", () => {
  it.live("writes a file that its owner alone can read, and that check takes", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "etc", "coffer.toml")
      const written = yield* coffer(["init", "--config", path])
      expect(written).toMatchObject({ code: 0, err: "" })
      expect(written.out).toContain(`Wrote ${path}`)
      expect(statSync(path).mode & 0o777).toBe(0o600)

      const checked = yield* coffer(["check"], { COFFER_CONFIG: path })
      expect(checked).toMatchObject({ code: 0, err: "" })
      expect(checked.out).toMatch(/^secrets\.key +\(set\) +file /m)
      expect(checked.out).toContain("The api still needs database.url, broker.urls.")

      const served = yield* coffer(["check", "--config", path, "--role", "api"], controlPlane)
      expect(served).toMatchObject({ code: 0, err: "" })
      expect(served.out).toMatch(/^database\.url +\(set\) +COFFER_DATABASE_URL /m)
    })
  )

  it.live("leaves a file alone that is there", () =>
    Effect.gen(function* () {
      const path = yield* fileWith("# mine\n")
      const refused = yield* coffer(["init"], { COFFER_CONFIG: path })
      expect(refused).toEqual({ code: 1, out: "", err: `coffer: ${path} is there already, and stays as it is\n` })
      expect(readFileSync(path, "utf8")).toBe("# mine\n")
    })
  )

  it.live("says when it cannot write", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("")
      const inFile = yield* coffer(["init", "--config", `${file}/coffer.toml`])
      const err = `coffer: ${file}/coffer.toml cannot be written (ENOTDIR)\n`
      expect(inFile).toEqual({ code: 1, out: "", err })
      const nowhere = yield* coffer(["init", "--config", `${file}/etc/coffer.toml`])
      const noFolder = `coffer: the folder of ${file}/etc/coffer.toml cannot be made (ENOTDIR)\n`
      expect(nowhere).toEqual({ code: 1, out: "", err: noFolder })
    })
  )
})

describe("check", () => {
  it.live("explains a configuration without its secrets, and warns of a file that everybody can read", () =>
    Effect.gen(function* () {
      const path = yield* fileWith(complete)
      chmodSync(path, 0o644)
      const { code, err, out } = yield* coffer(["check", "--config", path, "--role", "guestagent"])
      expect(code).toBe(0)
      expect(out.match(/^\w+\.\w+/gm)).toEqual(settings.map(({ name }) => name))
      expect(err).toBe(`coffer: every user of this machine may read or change ${path}; better: chmod o= ${path}\n`)
      for (const secret of [...Object.values(secrets), key]) expect(out + err).not.toContain(secret)
    })
  )

  it.live("prints everything that is wrong, and ends with 1", () =>
    Effect.gen(function* () {
      const path = yield* fileWith("[broker]\nprefetch = 0\nursl = []")
      const refused = yield* coffer(["check", "--config", path, "--role", "conductor"], { COFFER_API_PORT: "x" })
      expect(refused.code).toBe(1)
      expect(refused.out).toBe("")
      expect(refused.err.trimEnd().split("\n  ")).toEqual([
        "coffer: the configuration cannot be used:",
        `${path}: broker.ursl is no setting; the nearest is broker.urls`,
        `${path}: broker.prefetch must be a whole number from 1 to 2000`,
        "COFFER_API_PORT: api.port must be a whole number from 1 to 65535",
        `${path}: database.url is required by conductor; set it here, or by COFFER_DATABASE_URL`,
        `${path}: broker.urls is required by conductor; set it here, or by COFFER_BROKER_URLS`,
        `${path}: secrets.key is required by conductor; set it here, or by COFFER_SECRETS_KEY`
      ])
    })
  )

  it.live("knows no other roles", () =>
    Effect.gen(function* () {
      const path = yield* fileWith("")
      expect((yield* coffer(["check", "--config", path, "--role", "apis"])).code).toBe(1)
    })
  )
})
