import { expect, test } from "vitest";
import { Pacer } from "../../../src/guest/synthetic/pacer.ts";

test("operations come due evenly, fractions included", () => {
  const pacer = new Pacer(1500);
  pacer.restart(1000);
  expect(pacer.due(1001)).toBe(1);
  pacer.done(1);
  expect(pacer.due(1002)).toBe(2);
  pacer.done(2);
  expect(pacer.due(1003)).toBe(1);
});

test("what was due and not done stays due", () => {
  const pacer = new Pacer(1000);
  pacer.restart(0);
  expect(pacer.due(10)).toBe(10);
  pacer.done(4);
  expect(pacer.due(10)).toBe(6);
});

test("after a stall 100 ms of work are kept", () => {
  const pacer = new Pacer(1000);
  pacer.restart(0);
  expect(pacer.due(5000)).toBe(101);
});

test("a slow vCPU gets its turn although it is rarer than the backlog is long", () => {
  const pacer = new Pacer(2);
  pacer.restart(0);
  expect(pacer.due(400)).toBe(0);
  expect(pacer.waitMs()).toBeCloseTo(100);
  expect(pacer.due(501)).toBe(1);
});

test("a restart forgets", () => {
  const pacer = new Pacer(1000);
  pacer.restart(0);
  pacer.due(50);
  pacer.restart(60);
  expect(pacer.due(60)).toBe(0);
  expect(pacer.due(61)).toBe(1);
});

test("an idle vCPU waits without end", () => {
  const pacer = new Pacer(0);
  pacer.restart(0);
  expect(pacer.due(1e9)).toBe(0);
  expect(pacer.waitMs()).toBe(Number.POSITIVE_INFINITY);
});

test("one call never has more than the machine code can count", () => {
  const pacer = new Pacer(1e15);
  pacer.restart(0);
  expect(pacer.due(1000)).toBe(2 ** 31 - 1);
  pacer.done(2 ** 31 - 1);
  expect(pacer.waitMs()).toBe(1);
});
