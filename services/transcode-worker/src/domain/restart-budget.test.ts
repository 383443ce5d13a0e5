import { expect, test } from '@jest/globals';
import { RestartBudget } from './restart-budget.ts';

test('the first restart is at once, fruitless ones come later and later, and give their position up', () => {
  const budget = new RestartBudget();
  expect(Array.from({ length: 5 }, () => budget.next())).toEqual([
    { delayMs: 0, isPositionGivenUp: false },
    { delayMs: 100, isPositionGivenUp: false },
    { delayMs: 200, isPositionGivenUp: false },
    { delayMs: 400, isPositionGivenUp: true },
    { delayMs: 800, isPositionGivenUp: true },
  ]);
  expect(budget.patience).toBe(4);
  budget.noteProgress();
  expect(budget.patience).toBe(1);
  expect(budget.next()).toEqual({ delayMs: 0, isPositionGivenUp: false });
});

test('the wait has a ceiling', () => {
  const budget = new RestartBudget();
  for (let count = 0; count < 30; count += 1) budget.next();
  expect(budget.next().delayMs).toBe(5000);
});
