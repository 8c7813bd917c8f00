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
	/* nested.c's */
	L2_VMCALL, L2_HANDLED, L2_RDMSR, L2_FIRST_TOUCH, L2_WRITE,
	ROWS
};

/* Rows of memory.c and nested.c are long: interrupts weigh less, and fewer rounds do. */
#define LONG_ROUNDS	2

/* memory.c */
#define THP_PAGES	16384UL		/* 64 MiB */
#define AGED_PAGES	1024
#define SPARSE_PAGES	(1UL << 18)	/* 1 GiB */
#define SPARSE_STEP	100
#define SPARSE_DIRTY	(SPARSE_PAGES / SPARSE_STEP)

void memory(void);

/* nested.c: what the guest of a guest costs. */
#define L2_EXITS	1000
#define L2_PAGES	1024

void nested(void);

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
