/** The units of systemd say of each role what the role needs of them. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { defaultFile } from "../../src/cli/configFlag.ts"
import { roles } from "../../src/layers/config/Configuration.ts"

const read = (path: string) => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), "utf8")

/** The lines of a unit, without comments: `Key=value`. */
const unit = (role: string) => read(`coffer-${role}.service`).match(/^\w+=.*$/gm) ?? []

const value = (role: string, key: string) =>
  unit(role)
    .find((line) => line.startsWith(`${key}=`))
    ?.slice(key.length + 1)

/** How long a role may take to put down its work, in seconds. */
const drain = 30

describe.each(roles)("coffer-%s.service", (role) => {
  it("runs the role with the usual file, again whenever it ends", () => {
    expect(value(role, "ExecStart")).toBe(`/opt/coffer/coffer ${role} --config ${defaultFile}`)
    expect(unit(role)).toContain("Restart=always")
    expect(unit(role)).toContain("StartLimitIntervalSec=0")
    expect(value(role, "After")?.split(" ")).toContain("network-online.target")
    expect(unit(role)).toContain("WantedBy=multi-user.target")
  })

  it("gives it the time to drain", () => {
    expect(Number(value(role, "TimeoutStopSec"))).toBeGreaterThan(drain)
  })

  it("lets it compile while it runs, and gain no rights", () => {
    expect(value(role, "MemoryDenyWriteExecute")).toBeUndefined()
    expect(unit(role)).toContain("NoNewPrivileges=yes")
  })
})

it("the control plane runs as a user of its own without any capability, who can read the file", () => {
  const user = /^u (\S+)/m.exec(read("sysusers.d/coffer.conf"))?.[1]
  for (const role of roles.filter((role) => role !== "guestagent")) {
    expect(value(role, "User")).toBe(user)
    expect(value(role, "CapabilityBoundingSet")).toBe("")
    expect(value(role, "ProtectSystem")).toBe("strict")
  }
  expect(read("tmpfiles.d/coffer.conf")).toContain(`z ${defaultFile} 0640 root ${user} -`)
})

it("databases outlive their agents: only the agent is ended, and nothing of theirs ends with the unit", () => {
  expect(value("guestagent", "KillMode")).toBe("process")
  expect(value("guestagent", "PrivateTmp")).toBeUndefined()
  expect(`/var/lib/${value("guestagent", "StateDirectory")}`).toBe("/var/lib/coffer")
})
