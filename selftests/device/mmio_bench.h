/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bench for instructions that touch MMIO: a vCPU in 64-bit mode, two pages at
 * MMIO_GPA that userspace keeps as a device's memory, page tables of 4 KiB for the
 * data slot, and handlers that tell which exception was raised.
 */
#ifndef SELFTESTS_DEVICE_MMIO_BENCH_H
#define SELFTESTS_DEVICE_MMIO_BENCH_H

#include "../guest/mmio.h"
#include "vm.h"

#define DATA_PAGES   8
#define DEVICE_BYTES (2 * PAGE_SIZE) /* at MMIO_GPA */
#define CROSSING     (PAGE_SIZE - 1) /* an operand here is in two pages */

#define FLAG_AF	   0x10
#define FLAG_TF	   0x100
#define FLAG_DF	   0x400
#define FLAGS_BASE 0x202
#define PTE	   0x63ULL /* present, writable, accessed, dirty */
#define PTE_P	   1ULL
#define PTE_W	   2ULL
#define PTE_A	   0x20ULL
#define PTE_D	   0x40ULL

struct mmio_bench {
	struct bench bench;
	struct kvm_run *run;
	struct rng rng;
	uint8_t device[DEVICE_BYTES];
	uint32_t read, written; /* exits, of the run under way */
	uint32_t widths;	/* their widths, ored */
	bool read_after_write;
};

/* 0 or -errno. */
int mmio_open(struct mmio_bench *mmio);
void mmio_close(struct mmio_bench *mmio);

/* The data slot's bytes at offset. */
uint8_t *mmio_ram(struct mmio_bench *mmio, uint64_t offset);
/* The entry that maps a page of it; mmio_flush() lets go of what was translated. */
uint64_t *mmio_data_pte(struct mmio_bench *mmio, unsigned int page);
int mmio_flush(struct mmio_bench *mmio);

void mmio_fill(struct mmio_bench *mmio, uint8_t *bytes, size_t len);
struct kvm_regs mmio_random_regs(struct mmio_bench *mmio);
/* Code at CODE_GPA, and behind it the end of the guest's work. */
void mmio_put_code(struct mmio_bench *mmio, const void *bytes, size_t len);
/* RIP becomes CODE_GPA. */
int mmio_set_regs(struct mmio_bench *mmio, const struct kvm_regs *regs);
int mmio_get_regs(struct mmio_bench *mmio, struct kvm_regs *regs);

/* Runs until something else than MMIO happens: exit reason or -errno. */
int mmio_go_on(struct mmio_bench *mmio);
/* The code with these registers; afterwards they are what it left. 0: it came to its end. */
int mmio_run_code(struct mmio_bench *mmio, struct kvm_regs *regs);
/* The vector that was raised, its registers and frame; or -1. */
int mmio_fault_vector(struct mmio_bench *mmio, struct kvm_regs *regs, uint64_t **frame);

#endif
