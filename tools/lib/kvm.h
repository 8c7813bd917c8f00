/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thin layer over the KVM ABI, shared by the vellum command and the device
 * tests: device, VM, memory slots, vCPU, dirty ring, dirty bitmap.
 *
 * Every function that can fail returns 0 (or a descriptor or count where said)
 * on success and a negative errno on failure; none of them prints.
 */
#ifndef TOOLS_LIB_KVM_H
#define TOOLS_LIB_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL

#define DEFAULT_DEVICE "/dev/vellum"

struct vm {
	int dev;
	int fd;
	size_t run_bytes;      /* size of a vCPU's mapping */
	uint32_t ring_entries; /* per vCPU; 0 while there is no dirty ring */
};

struct mem {
	uint32_t id;
	uint32_t flags; /* KVM_MEM_* */
	uint64_t gpa;	/* bytes */
	uint64_t size;	/* bytes */
	void *host;
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_bytes;
	struct kvm_dirty_gfn *ring;
	uint32_t ring_entries;
	uint32_t ring_next; /* the next entry to harvest; runs freely */
};

/* ioctl() that returns a negative errno instead of -1. */
int kvm_ioctl(int fd, unsigned long request, void *arg);

/* The device that VELLUM_DEV names, or /dev/vellum. */
const char *kvm_device(void);
/* It is KVM's own, under whatever name; false if there is none. */
bool kvm_device_is_kvm(void);
int kvm_open(void);

/* KVM_CHECK_EXTENSION on a device or VM descriptor. */
int kvm_cap(int fd, unsigned int cap);

int vm_open(struct vm *vm);
void vm_close(struct vm *vm);
int vm_enable_cap(struct vm *vm, unsigned int cap, uint64_t arg);

/* Give each vCPU a dirty ring of this many entries; before the first vCPU. */
int vm_enable_ring(struct vm *vm, uint32_t entries);
int vm_reset_rings(struct vm *vm);

/* KVM_SET_USER_MEMORY_REGION with what stands in the structure. */
int vm_set_mem(struct vm *vm, const struct mem *mem);
/* Anonymous memory of 4K pages, touched, zero. NULL if there is none. */
void *mem_alloc(size_t bytes);
void mem_free(void *host, size_t bytes);

/* Slot sizes that are no multiple of 64 pages still have whole words. */
size_t mem_bitmap_bytes(const struct mem *mem);
int vm_get_log(struct vm *vm, const struct mem *mem, void *bitmap);
int vm_clear_log(struct vm *vm, struct kvm_clear_dirty_log *range);

int vcpu_open(struct vm *vm, struct vcpu *vcpu, unsigned int id);
void vcpu_close(struct vcpu *vcpu);
/* Returns 0 with run->exit_reason set, or a negative errno. */
int vcpu_run(struct vcpu *vcpu);

/*
 * Take the next entry that the vCPU has published, and mark it harvested.
 * False when there is none. The page is protected again by vm_reset_rings()
 * only: copy its content after that.
 */
bool ring_next(struct vcpu *vcpu, struct kvm_dirty_gfn *entry);

static inline bool bitmap_test(const void *bitmap, uint64_t bit)
{
	return ((const uint64_t *)bitmap)[bit / 64] >> (bit % 64) & 1;
}

#endif
