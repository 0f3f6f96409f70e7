/** The command line as its users have it: a real service, real shells, a real terminal, the databases' own clients. */
import { execFile, spawn } from "node:child_process"
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ensurePackages, psql, zsh } from "../support/packages.ts"
import { eventually } from "./api.ts"
import { processesIn } from "./footprint.ts"
import { postgres } from "./logins.ts"
import { coffer as command, newService, node, type Service } from "./service.ts"

const missing = (await ensurePackages(psql)) ?? (await ensurePackages(zsh))
const run = promisify(execFile)

const cli = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8")
/** What is shown as a script, in its order. */
const examples = [...cli.matchAll(/^```sh\n([^`]*)```$/gm)].map(([, script = ""]) => script.trim())

/** A script that hangs is to be told of, and not the test that ran it. */
const endsWithin = 200_000

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

describe.skipIf(missing !== null)(
  `the command line${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: 240_000 },
  () => {
    let service: Service

    beforeAll(async () => {
      service = await newService({ runtime: "process" })
      // In the folder where an operator would be, with the command on the PATH.
      symlinkSync(service.data, join(service.folder, ".coffer"))
      const bin = join(service.folder, "bin")
      mkdirSync(bin)
      writeFileSync(join(bin, "coffer"), `#!/bin/sh\nexec ${[node, ...command].map(quoted).join(" ")} "$@"\n`)
      chmodSync(join(bin, "coffer"), 0o755)
      writeFileSync(join(service.folder, "password"), "hush-1\n", { mode: 0o600 })
      await service.start()
    }, 90_000)

    afterAll(() => service?.dispose(), 60_000)

    const surroundings = () => ({
      cwd: service.folder,
      env: { ...process.env, PATH: `${service.folder}/bin:${process.env["PATH"]}`, COFFER_URL: service.url }
    })

    /** Runs a script in bash, and tells how it ended. */
    const bash = (script: string, shell = "bash") =>
      run(shell, ["-c", script], { ...surroundings(), timeout: endsWithin }).then(
        ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
        ({ code, stdout, stderr }) => ({ code, out: stdout, err: stderr })
      )

    const create = async (name: string) => {
      const users = [{ name: "ann", password: "hush-1", databases: [{ name: "shop" }] }]
      const id = await service.create({ name, databases: [{ name: "shop" }], users })
      return service.healthy(id)
    }

    it("does what its description shows", async () => {
      const printed = []
      for (const example of examples) {
        const ended = await bash(`set -euo pipefail\n${example}`)
        expect(ended.code, `${example}\n${ended.err}`).toBe(0)
        printed.push(ended.out)
      }
      const out = printed.join("")
      expect(out).toMatch(/^The password of ann, told only now: [\w-]{24}$/m)
      expect(out).toMatch(/^first {2}ACTIVE \(HEALTHY\) {3}postgresql 18 {3}127\./m)
      expect(out).toMatch(/^rob {3}% {5}shop$/m)
      expect(out).toMatch(/^rob\|shop$/m)
      expect(out).toMatch(/^first is gone\.$/m)
      expect(out).toMatch(/^instances {2}0 +0 +20$/m)
      // Every command that asks the API has its place there.
      const { out: help } = await bash("coffer --help")
      const asking = /^Databases, over the REST API:\n((?: {2}.*\n)*)/m.exec(help)?.[1] ?? ""
      const names = [...asking.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name)
      expect(names.length).toBeGreaterThan(8)
      for (const name of names) expect(examples.join("\n")).toContain(`coffer ${name} `.trimEnd())
    })

    it("gives the terminal, the signals and the exit code to the database's own client", async () => {
      const { address, id } = await create("mine")
      const login = "coffer connect mine --password-file password --"
      expect(await bash(`${login} -Atc 'SELECT current_user, current_database()'`)).toEqual({
        code: 0,
        out: "ann|shop\n",
        err: ""
      })
      expect(await bash(`echo 'SELECT nonsense' | ${login} -v ON_ERROR_STOP=1`)).toMatchObject({ code: 3, out: "" })

      const child = spawn("sh", ["-c", `exec ${login} -c 'SELECT pg_sleep(600)'`], {
        ...surroundings(),
        stdio: ["ignore", "pipe", "pipe"]
      })
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
      const sleeping = async () => {
        const sql = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
        return (await postgres({ user: "ann", password: "hush-1", database: "shop", address }, sql)).length
      }
      await eventually("the statement runs", async () => ((await sleeping()) === 1 ? true : null))
      child.kill("SIGTERM")
      expect(await ended).toBe(143)
      // psql is gone, or its pipes would hold up the end; the server notices by and by.
      await service.remove(id)
    })

    it("says what to do where nobody can log in", async () => {
      const { id } = await create("other")
      await bash("coffer user create other bob --password-file password")
      const several = await bash("coffer connect other")
      expect(several).toMatchObject({
        code: 1,
        err: "coffer: other has several users: ann, bob. Name one with --user.\n"
      })
      await bash("coffer database create other stock && coffer user grant other ann stock")
      expect(await bash("coffer connect other --user ann")).toMatchObject({
        code: 1,
        err: "coffer: ann may use several databases: shop, stock. Name one with --database.\n"
      })
      const without = await bash("PATH=$PWD/bin; coffer connect other --user ann --database shop")
      expect(without).toMatchObject({
        code: 1,
        err: "coffer: There is no psql on the PATH. On Debian and its like: apt install postgresql-client\n"
      })
      const building = await service.create({ name: "building" })
      // The build is held where it is, however long the command takes to start.
      const initdb = await eventually("initdb runs", () => {
        const found = processesIn(join(service.root, "instances", building))
        return found.length > 0 ? found : null
      })
      for (const { pid } of initdb) process.kill(pid, "SIGSTOP")
      const early = await bash("coffer connect building")
      expect(early.code).toBe(1)
      expect(early.err).toMatch(/^coffer: building is BUILD.*: nobody can log in now\. See why: coffer instance show/)
      for (const { pid } of initdb) process.kill(pid, "SIGCONT")
      await service.remove(building)
      await service.remove(id)
    })

    it("asks for a password on a terminal, and shows it to nobody", async () => {
      const { address, id } = await create("typed")
      /** The command on a terminal of its own. */
      const typing = () => {
        const child = spawn("script", ["-qec", "coffer user passwd typed ann --ask-password", "/dev/null"], {
          ...surroundings(),
          stdio: ["pipe", "pipe", "pipe"]
        })
        const screen = { shown: "" }
        child.stdout.on("data", (chunk: Buffer) => {
          screen.shown += chunk.toString()
        })
        const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
        const shows = (words: string) =>
          eventually(`it shows ${words}`, () => (screen.shown.includes(words) ? true : null))
        return { ended, screen, shows, types: (keys: string) => child.stdin.write(keys) }
      }
      const typed = typing()
      await typed.shows("The password of ann: ")
      typed.types("typed-2\r")
      await typed.shows("Once more: ")
      typed.types("typed-2\r")
      expect(await typed.ended).toBe(0)
      expect(typed.screen.shown).toContain("ann has another password.")
      expect(typed.screen.shown).not.toContain("typed-2")
      const login = { user: "ann", password: "typed-2", database: "shop", address }
      expect(await postgres(login, "SELECT 1 AS one")).toEqual([{ one: 1 }])
      const broken = typing()
      await broken.shows("The password of ann: ")
      broken.types("typed-3\u0003")
      expect(await broken.ended).toBe(130)
      expect(await postgres(login, "SELECT 1 AS one")).toEqual([{ one: 1 }])
      const elsewhere = await bash("coffer user passwd typed ann --ask-password < /dev/null")
      expect(elsewhere.err).toMatch(/^coffer: --ask-password needs a terminal/)
      await service.remove(id)
    })

    it("is completed by bash and by zsh, with the names of instances", async () => {
      const ids = [await service.create({ name: "tea room" }), await service.create({ name: "tent" })]
      const complete = `
        source <(coffer completion bash)
        complete -p coffer > /dev/null || exit 9
        completed() {
          COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
          COMP_POINT=\${#COMP_LINE} COMPREPLY=()
          _coffer coffer "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
          printf '%s;' "\${COMPREPLY[@]}"
          echo
        }
        completed coffer qu
        completed coffer user ""
        completed coffer instance create --pass
        completed coffer connect te
        completed coffer database list --json ten
        completed coffer connect --url http://127.0.0.1:1 te`
      const { code, err, out } = await bash(complete)
      expect([code, err]).toEqual([0, ""])
      const [quota, user, flags, names, one, none] = out.split("\n")
      expect([quota, user]).toEqual(["quota;", "list;show;create;update;passwd;grant;revoke;delete;"])
      expect([flags, names, one, none]).toEqual(["--password-file;", "tea\\ room;tent;", "tent;", ";"])

      // zsh completes at its prompt alone: it gets one of its own, and a key that tells what it has.
      const prompt = `
        zmodload zsh/zpty
        zpty shell zsh -f
        zpty -w shell 'autoload -U compinit; compinit -u -D; source <(coffer completion zsh)'
        zpty -w shell 'tell() { print -r -- "TOLD<$BUFFER>" }; zle -N tell; bindkey "^G" tell; echo SET\\UP'
        zpty -r shell out '*SETUP*'
        zpty -w -n shell $'coffer connect ten\\t\\a'
        zpty -r shell out '*TOLD<coffer connect tent >*'
        print -r -- completed
        zpty -d shell`
      expect((await bash(prompt, "zsh")).out).toBe("completed\n")
      for (const id of ids) await service.remove(id)
    })
  }
)
