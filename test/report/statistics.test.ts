import { describe, expect, test } from "vitest";
import {
  adjustedPValues,
  medianInterval,
  medianOf,
  rankTest,
} from "../../src/report/statistics.ts";

describe("medians", () => {
  test("are the middle, or the mean of the middle two", () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 3, 2])).toBe(2.5);
    expect(medianOf([7])).toBe(7);
  });

  test("of five have no interval of 95 %, and it says how sure the widest is", () => {
    expect(medianInterval([5, 1, 4, 2, 3])).toEqual({
      count: 5,
      median: 3,
      least: 1,
      most: 5,
      low: 1,
      high: 5,
      confidence: 0.9375,
    });
  });

  test("of ten lie between the second least and the second most", () => {
    // P(Binomial(10, 1/2) < 2) = 11/1024.
    const { low, high, confidence } = medianInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect([low, high]).toEqual([2, 9]);
    expect(confidence).toBeCloseTo(1 - 22 / 1024, 12);
  });

  test("of one are that, without any confidence", () => {
    expect(medianInterval([2])).toMatchObject({ low: 2, high: 2, confidence: 0 });
  });
});

describe("the rank test", () => {
  test("of five against five that are all greater is as sure as 2 in 252", () => {
    const { pValue, secondGreaterShare } = rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]);
    expect(pValue).toBeCloseTo(2 / 252, 12);
    expect(secondGreaterShare).toBe(1);
  });

  test("of the same numbers finds nothing", () => {
    expect(rankTest([1, 2, 3], [1, 2, 3])).toEqual({ pValue: 1, secondGreaterShare: 0.5 });
    expect(rankTest([4, 4], [4, 4, 4])).toEqual({ pValue: 1, secondGreaterShare: 0.5 });
  });

  test("counts ties by half", () => {
    // Rank sums of two of {1, 2.5, 2.5, 4}: 3.5 twice, 5 twice, 6.5 twice; observed 3.5.
    const { pValue, secondGreaterShare } = rankTest([1, 2], [2, 3]);
    expect(secondGreaterShare).toBe(3.5 / 4);
    expect(pValue).toBeCloseTo(4 / 6, 12);
  });

  test("of many numbers is the normal distribution's", () => {
    const first = Array.from({ length: 30 }, (_, index) => index);
    const shifted = first.map((value) => value + 8.5);
    // U = Σ max(0, i - 8) for i < 30 = 231; mean 450, deviation √(30·30·61/12) = 67.64; z = 3.230.
    const { pValue, secondGreaterShare } = rankTest(first, shifted);
    expect(secondGreaterShare).toBeCloseTo(1 - 231 / 900, 12);
    expect(pValue).toBeCloseTo(0.00124, 4);
    expect(rankTest(shifted, first).pValue).toBeCloseTo(pValue, 12);
  });
});

test("p-values are raised for how many there are", () => {
  const adjusted = adjustedPValues([0.01, 0.04, 0.03, 0.5]);
  expect(adjusted[0]).toBeCloseTo(0.04, 12);
  expect(adjusted[1]).toBeCloseTo(0.04 * (4 / 3), 12);
  expect(adjusted[2]).toBeCloseTo(0.04 * (4 / 3), 12);
  expect(adjusted[3]).toBeCloseTo(0.5, 12);
  expect(adjustedPValues([])).toEqual([]);
});
