/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of uapi/ share: the descriptors' ioctls, and the parts of a
 * VM's and a vCPU's interface that have a file of their own.
 */
#ifndef VELLUM_UAPI_UAPI_H
#define VELLUM_UAPI_UAPI_H

#include <linux/file.h>
#include <linux/fs.h>

#include "uapi/kvm_later.h"
#include "uapi/vellum.h"
#include "vmx/vcpu.h"

extern const struct file_operations dev_fops;

/* KVM_CHECK_EXTENSION, the same on /dev/vellum and on a VM: 0 is "not here". */
long cap_value(unsigned long cap);

/*
 * A descriptor that holds a reference to @vm and is not installed yet, so that
 * the caller can still back out (fput() and put_unused_fd()).
 */
struct vm_fd {
	int fd;
	struct file *file;
};

/* 0 or -errno.  The reference is dropped by the file's release. */
int vm_fd_get(struct vm_fd *vmfd, struct vm *vm, const char *name,
	      const struct file_operations *fops, void *private);

/* KVM_GET_SUPPORTED_HV_CPUID of a vCPU, its mutex held, or, NULL, of the device. */
long get_hyperv_cpuid(const struct vcpu *vcpu, struct kvm_cpuid2 __user *user);

/* KVM_CREATE_VM: a descriptor, or -errno. */
long vm_ioctl_create(unsigned long type);

/* KVM_SET_USER_MEMORY_REGION, or what KVM_SET_USER_MEMORY_REGION2 has of it. */
long memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);
/* VELLUM_SET_TRACKING. */
long memory_set_tracking(struct vm *vm, const struct vellum_tracking *asked);
/*
 * A page table that maps the first 4 GiB to themselves, in a slot of its own at
 * vm->identity_map.  Once for a VM; vm->lock held.
 */
long memory_make_identity_map(struct vm *vm);
long memory_limit_shadow(struct vm *vm, unsigned long pages);

/*
 * KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_RESET_DIRTY_RINGS.  CLEAR returns how
 * many pages it went through, all unless it would have cleared more than @max;
 * RESET how many entries it gave back, @most at most.
 */
long harvest_get(struct vm *vm, const struct kvm_dirty_log *log);
long harvest_clear(struct vm *vm, const struct kvm_clear_dirty_log *log, u64 max);
long harvest_reset_rings(struct vm *vm, u32 most);
/* VELLUM_TAKE_RANGES: @asked's first_page and count are set.  0 or -errno. */
long harvest_take_ranges(struct vm *vm, struct vellum_ranges *asked);

/* policy.c: KVM_ENABLE_CAP of a VM, -EINVAL for those that are not here; of a vCPU; the filter. */
long policy_enable(struct vm *vm, const struct kvm_enable_cap *cap);
long vcpu_enable_cap(struct vcpu *vcpu, const struct kvm_enable_cap __user *user);
long policy_set_msr_filter(struct vm *vm, const struct kvm_msr_filter __user *user);
/* irq.c: of a VM … */
long irq_create_chip(struct vm *vm);
long irq_set_boot_cpu(struct vm *vm, unsigned long id);
long irq_enable_x2apic_api(struct vm *vm, u64 flags);
long irq_signal_msi(struct vm *vm, const struct kvm_msi __user *user);
/* … and of a vCPU, its mutex held. */
long irq_interrupt(struct vcpu *vcpu, const struct kvm_interrupt __user *user);
long irq_get_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state);
long irq_set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *state);

/* KVM_CREATE_VCPU: a descriptor, or -errno. */
long vcpu_ioctl_create(struct vm *vm, unsigned long id);
/* state.c: those of a vCPU's ioctls that move one structure; -EINVAL: none that is known. */
long vcpu_ioctl_state(struct vcpu *vcpu, unsigned int cmd, void __user *user);
/* What KVM_CAP_SYNC_REGS moves through the run page, and its value. */
#define SYNC_FIELDS KVM_SYNC_X86_VALID_FIELDS
/* Around KVM_RUN.  Before: 0, or -EINVAL and KVM_RUN is not to go on. */
int sync_regs_before(struct vcpu *vcpu);
void sync_regs_after(struct vcpu *vcpu);
/* KVM_GET_MSRS on the device: the MSRs of KVM_GET_MSR_FEATURE_INDEX_LIST. */
long feature_get_msrs(struct kvm_msrs __user *user);
/* Those of a vCPU's ioctls that move lists: MSRs and CPUID.  vcpu->mutex held. */
long vcpu_get_msrs(struct vcpu *vcpu, struct kvm_msrs __user *user);
long vcpu_set_msrs(struct vcpu *vcpu, struct kvm_msrs __user *user);
long vcpu_get_cpuid2(struct vcpu *vcpu, struct kvm_cpuid2 __user *user);
long vcpu_set_cpuid2(struct vcpu *vcpu, struct kvm_cpuid2 __user *user);

/* What a vCPU, vcpu->mutex held, and a VM are asked about time. */
long clock_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, unsigned long arg);
long clock_vm_ioctl(struct vm *vm, unsigned int cmd, unsigned long arg);

/* KVM_X86_GET_MCE_CAP_SUPPORTED, and of a vCPU, its mutex held, KVM_X86_SETUP_MCE and _SET_MCE. */
long mce_supported_ioctl(u64 __user *user);
long mce_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user);

/* nested.c: KVM_GET_NESTED_STATE and _SET_, vcpu->mutex held; KVM_CAP_NESTED_STATE. */
long nested_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user);
long nested_state_size(void);

/* KVM_GET_STATS_FD of a vCPU, or of the VM itself when @vcpu is NULL. */
long stats_fd(struct vm *vm, struct vcpu *vcpu);

/* tracker.c: a descriptor for a tracker, or -errno. */
long tracker_open(struct vm *vm, struct vellum_tracker __user *user);
/* @slot, which is not published yet, begins to be logged: 0 or -ENOMEM.  slots_lock held. */
int trackers_see(struct vm *vm, struct slot *slot);
/* harvest.c: the logged slot of an id, or ERR_PTR.  slots_lock held. */
struct slot *harvest_slot(struct vm *vm, u32 id);
/* Is that a range of whole words, but for the slot's end? */
bool harvest_range_valid(const struct slot *slot, u64 first, u64 npages);
/*
 * Words @range of @set, and of @more unless that is NULL, to @user, the first of
 * them to its beginning.  0 or -EFAULT, and part of it was written.
 */
int harvest_tell(u64 __user *user, const struct pageset *set, const struct pageset *more,
		 struct word_range range);
/* A copy of the caller's bitmap of @npages pages, to be freed by kvfree(), or ERR_PTR. */
unsigned long *harvest_copy_bitmap(const void __user *user, u64 npages);

/* extend.c: what uapi/vellum.h has.  VELLUM_CHECK_EXTENSION: 0 is "not here". */
long extension_value(unsigned long extension);
/* Of a VM; -ENOTTY: none that is known. */
long extend_vm_ioctl(struct vm *vm, unsigned int cmd, unsigned long arg);
/* Of a vCPU, its mutex held; -EINVAL: none that is known. */
long extend_vcpu_ioctl(struct vcpu *vcpu, unsigned int cmd, void __user *user);

/* Only the process that made a VM may use it, and only while it can be trusted. */
static inline int vm_check_caller(const struct vm *vm)
{
	if (vm->host.mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	return 0;
}

#endif
