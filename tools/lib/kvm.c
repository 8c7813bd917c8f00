// SPDX-License-Identifier: GPL-2.0
/* The KVM ABI as functions: one ioctl each, errors as negative errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kvm.h"

/* KVM's number among the misc devices (include/linux/miscdevice.h); vellum's is dynamic. */
#define KVM_MINOR 232

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

const char *kvm_device(void)
{
	const char *name = getenv("VELLUM_DEV");

	return name && *name ? name : DEFAULT_DEVICE;
}

/* By its number: either name may be a link to the other's device. */
bool kvm_device_is_kvm(void)
{
	struct stat st;

	return !stat(kvm_device(), &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(MISC_MAJOR, KVM_MINOR);
}

int kvm_open(void)
{
	int fd = open(kvm_device(), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int kvm_cap(int fd, unsigned int cap)
{
	return kvm_ioctl(fd, KVM_CHECK_EXTENSION, (void *)(uintptr_t)cap);
}

int vm_open(struct vm *vm)
{
	int ret;

	*vm = (struct vm){ .dev = kvm_open(), .fd = -1 };
	if (vm->dev < 0)
		return vm->dev;
	ret = kvm_ioctl(vm->dev, KVM_GET_API_VERSION, NULL);
	if (ret >= 0 && ret != KVM_API_VERSION)
		ret = -EPROTO;
	if (ret >= 0)
		ret = kvm_ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (ret >= 0) {
		vm->run_bytes = ret;
		ret = kvm_ioctl(vm->dev, KVM_CREATE_VM, NULL);
	}
	if (ret < 0) {
		close(vm->dev);
		return ret;
	}
	vm->fd = ret;
	/* Where a CPU cannot run real mode by itself, KVM wants three pages. */
	if (kvm_cap(vm->fd, KVM_CAP_SET_TSS_ADDR) > 0)
		kvm_ioctl(vm->fd, KVM_SET_TSS_ADDR, (void *)0xfffbd000UL);
	return 0;
}

void vm_close(struct vm *vm)
{
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->dev >= 0)
		close(vm->dev);
	vm->fd = -1;
	vm->dev = -1;
}

int vm_enable_cap(struct vm *vm, unsigned int cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return kvm_ioctl(vm->fd, KVM_ENABLE_CAP, &enable);
}

int vm_enable_ring(struct vm *vm, uint32_t entries)
{
	uint64_t bytes = (uint64_t)entries * sizeof(struct kvm_dirty_gfn);
	int ret;

	if (kvm_cap(vm->fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) > 0)
		ret = vm_enable_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, bytes);
	else
		ret = vm_enable_cap(vm, KVM_CAP_DIRTY_LOG_RING, bytes);
	if (!ret)
		vm->ring_entries = entries;
	return ret;
}

int vm_reset_rings(struct vm *vm)
{
	return kvm_ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, NULL);
}

int vm_set_mem(struct vm *vm, const struct mem *mem)
{
	struct kvm_userspace_memory_region region = {
		.slot = mem->id,
		.flags = mem->flags,
		.guest_phys_addr = mem->gpa,
		.memory_size = mem->size,
		.userspace_addr = (uintptr_t)mem->host,
	};

	return kvm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void *mem_alloc(size_t bytes)
{
	char *host = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i;

	if (host == MAP_FAILED)
		return NULL;
	/* Where huge pages are not built in, all pages are small anyway. */
	madvise(host, bytes, MADV_NOHUGEPAGE);
	for (i = 0; i < bytes; i += PAGE_SIZE)
		*(volatile char *)(host + i) = 0;
	return host;
}

void mem_free(void *host, size_t bytes)
{
	if (host)
		munmap(host, bytes);
}

size_t mem_bitmap_bytes(const struct mem *mem)
{
	return (mem->size / PAGE_SIZE + 63) / 64 * 8;
}

int vm_get_log(struct vm *vm, const struct mem *mem, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = mem->id, .dirty_bitmap = bitmap };

	return kvm_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

int vm_clear_log(struct vm *vm, struct kvm_clear_dirty_log *range)
{
	return kvm_ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, range);
}

static int vcpu_map_ring(struct vcpu *vcpu, uint32_t entries)
{
	void *ring = mmap(NULL, entries * sizeof(struct kvm_dirty_gfn), PROT_READ | PROT_WRITE,
			  MAP_SHARED, vcpu->fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);

	if (ring == MAP_FAILED)
		return -errno;
	vcpu->ring = ring;
	vcpu->ring_entries = entries;
	return 0;
}

int vcpu_open(struct vm *vm, struct vcpu *vcpu, unsigned int id)
{
	int ret = 0;

	*vcpu = (struct vcpu){ .run_bytes = vm->run_bytes };
	vcpu->fd = kvm_ioctl(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)id);
	if (vcpu->fd < 0)
		return vcpu->fd;
	vcpu->run = mmap(NULL, vcpu->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		ret = -errno;
	} else if (vm->ring_entries) {
		ret = vcpu_map_ring(vcpu, vm->ring_entries);
	}
	if (ret)
		vcpu_close(vcpu);
	return ret;
}

void vcpu_close(struct vcpu *vcpu)
{
	if (vcpu->ring)
		munmap(vcpu->ring, vcpu->ring_entries * sizeof(*vcpu->ring));
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_bytes);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	*vcpu = (struct vcpu){ .fd = -1 };
}

int vcpu_run(struct vcpu *vcpu)
{
	return kvm_ioctl(vcpu->fd, KVM_RUN, NULL);
}

bool ring_next(struct vcpu *vcpu, struct kvm_dirty_gfn *entry)
{
	struct kvm_dirty_gfn *gfn = &vcpu->ring[vcpu->ring_next % vcpu->ring_entries];

	/* Pairs with the kernel's release of the flags after slot and offset. */
	if (__atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
		return false;
	*entry = *gfn;
	/* Pairs with the acquire in KVM_RESET_DIRTY_RINGS: we are done with the entry. */
	__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	vcpu->ring_next++;
	return true;
}
