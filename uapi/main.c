// SPDX-License-Identifier: GPL-2.0
/*
 * The module: /dev/vellum comes and goes here.
 *
 * Parameters, both read once at load and defined in vmx/caps.c:
 *	pml=	  use page-modification logging where the CPU has it
 *	ept_ad=	  use the EPT's accessed and dirty bits where the CPU has them
 * VELLUM_VERSION is dkms.conf's, by way of Kbuild.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "mmu/host_shrinker.h"
#include "nested/init.h"
#include "uapi/uapi.h"

static struct miscdevice vellum_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vellum",
	.fops = &dev_fops,
};

static int __init vellum_init(void)
{
	int err = vmx_init();

	if (err)
		return err;
	nested_init();
	err = shrinker_init();
	if (err)
		goto exit_vmx;
	err = misc_register(&vellum_device);
	if (!err)
		return 0;
	pr_err("vellum: /dev/vellum could not be made (error %d)\n", err);
	shrinker_exit();
exit_vmx:
	vmx_exit();
	return err;
}

static void __exit vellum_exit(void)
{
	misc_deregister(&vellum_device);
	shrinker_exit();
	vmx_exit();
	pr_info("vellum: unloaded, objects: vms=%ld vcpus=%ld pages=%ld\n",
		atomic_long_read(&vellum_vms), atomic_long_read(&vellum_vcpus),
		atomic_long_read(&mmu_tables_alive));
}

module_init(vellum_init);
module_exit(vellum_exit);

MODULE_AUTHOR("The vellum authors");
MODULE_DESCRIPTION("Hypervisor that knows exactly which guest pages were written");
MODULE_LICENSE("GPL");
MODULE_VERSION(VELLUM_VERSION);
