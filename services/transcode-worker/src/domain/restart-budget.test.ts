import { expect, test } from '@jest/globals';
import { PeriodBudgets, RestartBudget } from './restart-budget.ts';

test('the first restart is at once, fruitless ones come later and later, and give their segment up', () => {
  const budget = new RestartBudget();
  expect(Array.from({ length: 5 }, (_, count) => budget.next(count * 1000))).toEqual([
    { delayMs: 0, givenUp: 'nothing' },
    { delayMs: 100, givenUp: 'nothing' },
    { delayMs: 200, givenUp: 'nothing' },
    { delayMs: 400, givenUp: 'segment' },
    { delayMs: 800, givenUp: 'segment' },
  ]);
  expect(budget.patience).toBe(4);
  budget.noteProgress();
  expect(budget.patience).toBe(1);
  expect(budget.next(6000)).toEqual({ delayMs: 0, givenUp: 'nothing' });
});

test('after seconds without progress all that has waited is given up, before ingest forgets it', () => {
  const budget = new RestartBudget();
  expect([0, 5000, 8000].map((nowMs) => budget.next(nowMs).givenUp)).toEqual([
    'nothing',
    'nothing',
    'backlog',
  ]);
  budget.noteProgress();
  expect(budget.next(20_000).givenUp).toBe('nothing');
  expect(budget.next(27_000).givenUp).toBe('nothing');
});

test('the wait has a ceiling', () => {
  const budget = new RestartBudget();
  for (let count = 0; count < 30; count += 1) budget.next(0);
  expect(budget.next(0).delayMs).toBe(5000);
});

test('another period begins anew', () => {
  const budgets = new PeriodBudgets();
  budgets.of(0).next(0);
  expect(budgets.of(0).patience).toBe(2);
  expect(budgets.of(1).patience).toBe(1);
});
