/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the bench share: the rows, and how one is measured. */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

#include "../device/vm.h"

enum {
	CPUID, OUT, FIRST_TOUCH, LOOP, ENABLE, WRITE_BITMAP, GET_LOG, CLEAR_LOG, GET_LOG_MANUAL,
	WRITE_RING, HARVEST, RESET_RING, OUT_OF_ORDER,
	/* memory.c's */
	POPULATE_THP, ENABLE_THP, AGED, GET_SPARSE, TABLE_KIB, GET_SMALL, GET_LARGE,
	ROWS
};

/* memory.c: its rows are long, so that interrupts weigh less, and fewer rounds do. */
#define MEMORY_ROUNDS	2
#define THP_PAGES	16384UL		/* 64 MiB */
#define AGED_PAGES	1024
#define SPARSE_PAGES	(1UL << 18)	/* 1 GiB */
#define SPARSE_STEP	100
#define SPARSE_DIRTY	(SPARSE_PAGES / SPARSE_STEP)

void memory(void);

extern unsigned int bench_round;
extern unsigned int bench_row;	/* that is being measured, or prepared */

/* Ends the bench with a sentence on the row that is being measured, unless 0. */
void check(int ret);
/* A row is measured from begin(), which gives the time, to end(). */
uint64_t begin(unsigned int row);
void end(uint64_t from);
/* A value that is no time. */
void keep(unsigned int row, uint64_t value);

/* The guest does what its mailbox says, once. */
void run(struct bench *bench);
void timed_run(struct bench *bench, unsigned int row);

#endif
