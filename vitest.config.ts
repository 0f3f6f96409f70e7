import { defineConfig } from "vitest/config"

// Three kinds of tests: those that need nothing but Node, the simulation, and those against real servers and containers,
// before which an engine is found or started.
export default defineConfig({
  test: {
    // Most of the time a test file waits: for a server, a container, a lease. Three of them keep two cores busy.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: "unit",
          // They leave nothing behind, and to load everything for each file takes half of their time.
          isolate: false,
          include: ["test/{actors,cli,config,http,kit,services}/**/*.test.ts", "test/compat/*.test.ts"],
          testTimeout: 30_000
        }
      },
      {
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          // Each file keeps two cores busy by itself.
          fileParallelism: false,
          sequence: { groupOrder: 1 }
        }
      },
      {
        test: {
          name: "real",
          include: ["test/{layers,guest,interop,e2e,chaos}/**/*.test.ts", "test/compat/{openstack,gophercloud}/*.test.ts"],
          globalSetup: ["test/support/docker.ts"],
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 300_000
        }
      }
    ]
  }
})
