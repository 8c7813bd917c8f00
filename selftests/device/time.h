/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of clocks: the guest of time.S driven one step at a time, MSRs by
 * ioctl, and the arithmetic of a clock page as a guest does it.
 */
#ifndef SELFTESTS_DEVICE_TIME_H
#define SELFTESTS_DEVICE_TIME_H

#include "../guest/time.h"
#include "vm.h"

DECLARE_GUEST(time);

#define MSR_TSC			0x10
#define MSR_TSC_ADJUST		0x3b
#define MSR_TSC_AUX		0xc0000103
#define MSR_WALL_CLOCK_OLD	0x11
#define MSR_SYSTEM_TIME_OLD	0x12
#define MSR_WALL_CLOCK		0x4b564d00
#define MSR_SYSTEM_TIME		0x4b564d01
#define MSR_STEAL_TIME		0x4b564d03

#define NS_PER_SEC		1000000000ull

/* The ABI's (struct pvclock_vcpu_time_info, struct pvclock_wall_clock). */
struct clock_page {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad[2];
};

#define PAGE_STABLE		1
#define PAGE_STOPPED		2

struct wall_page {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};

/* vCPUs 0 to n - 1 are to run time.S. */
int time_start(struct bench *bench, unsigned int n);
/* One step: 0; the exit reason if it was another than the guest's "done"; or negative errno. */
int time_op(struct bench *bench, unsigned int i, uint32_t op);
uint64_t *time_field(struct bench *bench, unsigned int i, uint32_t offset);
int time_rdmsr(struct bench *bench, unsigned int i, uint32_t index, uint64_t *value);
int time_wrmsr(struct bench *bench, unsigned int i, uint32_t index, uint64_t value);

/* The clock as vCPU i reads it from the page at this guest address. */
int time_clock(struct bench *bench, unsigned int i, uint64_t gpa, uint64_t *ns);
const struct clock_page *time_page(struct bench *bench, unsigned int i);
uint64_t clock_page_ns(const struct clock_page *page, uint64_t tsc);

/* KVM_GET_MSRS and KVM_SET_MSRS of one: 1, 0 when it is refused, or negative errno. */
int msr_get(struct bench *bench, unsigned int i, uint32_t index, uint64_t *value);
int msr_set(struct bench *bench, unsigned int i, uint32_t index, uint64_t value);

#endif
