"""Trees of boards, laid out as their makers document them; the doctor is held against these.

The layouts follow the kernel's (sysfs of USB, PCI, devfreq, thermal zones, video4linux), Raspberry Pi's firmware node,
NVIDIA's nvpmodel, nv_tegra_release and tegrastats, Debian's dpkg. None was recorded by us: no such board is at hand.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

Build = Callable[[Path], Path]
GIB_KB = 1 << 20
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
USB = "sys/bus/usb/devices/2-1/"
RULES = "lib/udev/rules.d/60-libedgetpu1-std.rules"
LIBRARY = "usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
NPU_LIBRARY = "usr/lib/aarch64-linux-gnu/librknnrt.so"
GOVERNOR = "sys/devices/system/cpu/cpufreq/policy0/scaling_governor"
ZONE = "sys/class/thermal/thermal_zone"
MODE = "var/lib/nvpmodel/status"
NANO_GPU, ORIN_GPU = "sys/devices/57000000.gpu/devfreq/57000000.gpu", "sys/class/devfreq/17000000.gpu"
VCGENCMD, TIMEDATECTL = "vcgencmd get_throttled", "timedatectl show -p NTPSynchronized --value"


def put(root: Path, path: str, text: str | bytes = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def remove(root: Path, path: str) -> None:
    (root / path).unlink()


def stick(root: Path, ids: str, speed: str) -> None:
    vendor, product = ids.split(":")
    about = {"idVendor": vendor, "idProduct": product, "speed": speed, "busnum": "2", "devnum": "7"}
    for name, text in about.items():
        put(root, f"{USB}{name}", text + "\n")
    put(root, "dev/bus/usb/002/007")


def board(root: Path, model: str, compatible: str = "") -> None:
    """What any healthy Linux board has."""
    put(root, "proc/device-tree/model", model + "\0")
    if compatible:
        put(root, "proc/device-tree/compatible", compatible.replace(" ", "\0") + "\0")
    common(root)


def common(root: Path) -> None:
    put(root, CONTROLLERS, "cpuset cpu io memory pids\n")
    put(root, GOVERNOR, "schedutil\n")
    put(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_driver", "cpufreq-dt\n")
    thermal(root, 0, "cpu-thermal", 51540)
    put(root, "run/systemd/timesync/synchronized")
    webcam(root)


def videos(root: Path, **names: str) -> None:
    """Camera nodes, video0="its name"."""
    for node, name in names.items():
        put(root, f"dev/{node}")
        put(root, f"sys/class/video4linux/{node}/name", f"{name}\n")


def thermal(root: Path, number: int, kind: str, temperature: int) -> None:
    put(root, f"{ZONE}{number}/type", f"{kind}\n")
    put(root, f"{ZONE}{number}/temp", f"{temperature}\n")


def webcam(root: Path) -> None:
    videos(root, video0="HD Webcam C270", video1="HD Webcam C270")
    for number in (0, 1):
        put(root, f"sys/class/video4linux/video{number}/index", f"{number}\n")
    frames(root, "/dev/video0")


def frames(root: Path, node: str = "", gstreamer: str = "NO", code: int = 0) -> None:
    lines = [{"gstreamer": gstreamer}, *([{"node": node, "size": [640, 480]}] if node else [])]
    record(root, "camera frames", "\n".join(json.dumps(line) for line in lines), code)


def record(root: Path, name: str, text: str, code: int = 0) -> None:
    put(root, f"commands/{name}.txt", text)
    put(root, f"commands/{name}.code", f"{code}\n")


def interpreter(root: Path, python: str, package: str = "", version: str = "", **more: object) -> None:
    said: dict[str, object] = {"python": python, "numpy": "1.26.4", "failed": []}
    if package:
        said |= {"module": package.replace("-", "_"), "package": package, "version": version}
    record(root, "interpreter", "a vendor's greeting\n" + json.dumps({**said, **more}))


def package(root: Path, name: str, version: str) -> None:
    status = root / "var/lib/dpkg/status"
    before = status.read_text() if status.exists() else ""
    paragraph = f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nDescription: a\n long one\n\n"
    put(root, "var/lib/dpkg/status", before + paragraph)


def library(root: Path, name: str, real: str, content: bytes = b"ELF") -> None:
    put(root, f"usr/lib/aarch64-linux-gnu/{real}", content)
    if name != real:
        (root / f"usr/lib/aarch64-linux-gnu/{name}").symlink_to(real)


def coral_on_a_pi_4(root: Path) -> Path:
    board(root, "Raspberry Pi 4 Model B Rev 1.5", "raspberrypi,4-model-b brcm,bcm2711")
    stick(root, "18d1:9302", "5000")
    rule = 'SUBSYSTEM=="usb",ATTRS{idVendor}=="1a6e",GROUP="plugdev"\nSUBSYSTEM=="usb",ATTRS{idVendor}=="18d1"\n'
    put(root, RULES, rule)
    library(root, "libedgetpu.so.1", "libedgetpu.so.1.0")
    package(root, "libedgetpu-dev", "15.0")
    package(root, "libedgetpu1-std", "16.0")
    interpreter(root, "3.9.2", "tflite-runtime", "2.5.0.post1")
    put(root, THROTTLED, "0\n")
    videos(root, video10="bcm2835-codec-decode", video13="bcm2835-isp-output0")
    record(root, "picamera2", "", code=1)
    return root


def coral_on_pcie(root: Path) -> Path:
    common(root)
    put(root, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x1ac1\n")
    put(root, "sys/bus/pci/devices/0000:01:00.0/device", "0x089a\n")
    put(root, "dev/apex_0")
    library(root, "libedgetpu.so.1", "libedgetpu.so.1.0")
    package(root, "libedgetpu1-max", "16.0tf2.17.1-1.bookworm")
    interpreter(root, "3.11.2", "tflite-runtime", "2.17.1")
    return root


def jetson_nano(root: Path) -> Path:
    board(root, "NVIDIA Jetson Nano Developer Kit", "nvidia,p3449-0000-b00+p3448-0000-b00 nvidia,jetson-nano")
    put(root, "dev/nvhost-gpu")
    put(root, "etc/nv_tegra_release", "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64\n")
    meminfo(root)
    put(root, MODE, "pmode:0000 fmode:fanNull\n")
    put(root, "etc/nvpmodel.conf", "# modes\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU 1\n< POWER_MODEL ID=1 NAME=5W >\n")
    gpu(root, NANO_GPU, 921600000)
    thermal(root, 4, "PMIC-Die", 100000)
    interpreter(root, "3.6.9", "tensorrt", "8.2.1.8")
    return root


def meminfo(root: Path, total: int = 4059388, free: int = 2458000, swap: int = 4 * GIB_KB) -> None:
    rows = {"MemTotal": total, "MemFree": 100, "MemAvailable": free, "SwapTotal": swap, "SwapFree": swap}
    put(root, "proc/meminfo", "".join(f"{name}:  {kb} kB\n" for name, kb in rows.items()) + "HugePages_Total: 0\n")


def gpu(root: Path, folder: str, lowest: int, highest: int = 0) -> None:
    for name, value in (("min_freq", lowest), ("max_freq", highest or lowest), ("cur_freq", lowest)):
        put(root, f"{folder}/{name}", f"{value}\n")


def jetson_orin_nano(root: Path) -> Path:
    compatible = "nvidia,p3768-0000+p3767-0005-super nvidia,p3767-0005 nvidia,tegra234"
    board(root, "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", compatible)
    put(root, "dev/nvhost-gpu")
    put(root, "etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    meminfo(root, 7650336, 5123456, 0)
    put(root, MODE, "pmode:0002\n")
    put(root, "etc/nvpmodel.conf", SUPER_MODES)
    gpu(root, ORIN_GPU, 1020000000)
    thermal(root, 3, "cv0-thermal", -256000)
    interpreter(root, "3.10.12", "tensorrt", "10.3.0")
    return root


def ncs2_on_a_pc(root: Path, ids: str = "03e7:f63b", speed: str = "5000") -> Path:
    common(root)
    stick(root, ids, speed)
    rule = "\n".join(
        f'SUBSYSTEM=="usb", ATTRS{{idProduct}}=="{p}", ATTRS{{idVendor}}=="03e7"' for p in ("2485", "f63b")
    )
    put(root, "etc/udev/rules.d/97-myriad-usbboot.rules", rule + "\n")
    put(root, GOVERNOR, "powersave\n")
    put(root, "sys/devices/system/cpu/cpufreq/policy0/scaling_driver", "intel_pstate\n")
    interpreter(root, "3.9.18", "openvino", "2021.4.2", devices=["CPU", "MYRIAD"])
    return root


def ncs2_before_its_firmware(root: Path) -> Path:
    return ncs2_on_a_pc(root, "03e7:2485", "480")


def rk3588(root: Path) -> Path:
    board(root, "Radxa ROCK 5B", "radxa,rock-5b rockchip,rk3588")
    put(root, "sys/class/devfreq/fdab0000.npu/cur_freq", "1000000000\n")
    put(root, "sys/module/rknpu/version", "0.9.8\n")
    library(root, "librknnrt.so", "librknnrt.so", b"\x7fELF\0\xfflibrknnrt version: 2.3.2 (429f97ae6b@2025-04-09)\0")
    interpreter(root, "3.10.12", "rknn-toolkit-lite2", "2.3.2")
    return root


def imx93(root: Path) -> Path:
    board(root, "NXP i.MX93 11X11 EVK board", "fsl,imx93-11x11-evk fsl,imx93")
    put(root, "dev/ethosu0")
    library(root, "libethosu_delegate.so", "libethosu_delegate.so")
    interpreter(root, "3.12.4", "tflite-runtime", "2.16.2")
    return root


def hailo_on_a_pi_5(root: Path) -> Path:
    board(root, "Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b brcm,bcm2712")
    put(root, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x1e60\n")
    put(root, "sys/bus/pci/devices/0000:01:00.0/device", "0x2864\n")
    put(root, "dev/hailo0")
    interpreter(root, "3.11.2", "hailort", "4.20.0")
    record(root, VCGENCMD, "throttled=0x0")
    return root


def intel_npu(root: Path) -> Path:
    common(root)
    put(root, "dev/accel/accel0")
    put(root, "sys/class/accel/accel0/device/vendor", "0x8086\n")
    interpreter(root, "3.12.3", "openvino", "2025.3.0", devices=["CPU", "GPU.0", "NPU"])
    return root


def intel_gpu(root: Path) -> Path:
    common(root)
    for node, vendor in (("renderD128", "0x1002"), ("renderD129", "0x8086")):
        put(root, f"dev/dri/{node}")
        put(root, f"sys/class/drm/{node}/device/vendor", f"{vendor}\n")
    interpreter(root, "3.12.3", "openvino", "2025.3.0", devices=["CPU", "GPU"])
    return root


def pi_5_with_a_csi_camera(root: Path) -> Path:
    board(root, "Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b brcm,bcm2712")
    for file in ("video0", "video1"):
        shutil.rmtree(root / "sys/class/video4linux" / file)
        remove(root, f"dev/{file}")
    videos(root, video0="rp1-cfe-csi2_ch0", video20="pispbe-input", video19="rpi-hevc-dec")
    frames(root)
    record(root, "picamera2", "visible")
    record(root, "vcgencmd get_throttled", "throttled=0x0")
    interpreter(root, "3.11.2", "onnxruntime", "1.22.0")
    return root


SUPER_MODES = "".join(
    f"< POWER_MODEL ID={number} NAME={name} >\n" for number, name in enumerate(("15W", "25W", "MAXN_SUPER", "7W"))
)


CONTROLLERS = "sys/fs/cgroup/cgroup.controllers"
SWAPS = "Filename Type Size Used Priority\n{} {} 524284 0 -2\n"
WELL = (
    "swap of pictures",
    "device",
    "interpreter",
    "numpy",
    "library",
    "temperature",
    "governor",
    "clock",
    "disk",
    "camera nodes",
)
"""What is well on every healthy board."""
HEALTHY: dict[str, tuple[str, Build, str]] = {
    "coral": ("coral", coral_on_a_pi_4, "permission,udev rule,usb speed,throttling,libedgetpu.so.1,versions"),
    "coral on PCIe": ("coral-pcie", coral_on_pcie, "device node,libedgetpu.so.1,versions"),
    "Nano": ("nano", jetson_nano, "device node,versions,memory,swap,power mode,clocks"),
    "Orin Nano": ("orin-nano", jetson_orin_nano, "device node,versions,power mode,clocks"),
    "NCS2": ("ncs2", ncs2_on_a_pc, "permission,udev rule,usb speed,versions,plug-in"),
    "NCS2 before its firmware": ("ncs2", ncs2_before_its_firmware, "permission,udev rule,versions,plug-in"),
    "RK3588": ("rk3588", rk3588, "driver,librknnrt.so,versions"),
    "i.MX 93": ("imx93", imx93, "device node,libethosu_delegate.so"),
    "Hailo-8L": ("hailo8l", hailo_on_a_pi_5, "device node,versions,throttling"),
    "Intel NPU": ("intel-npu", intel_npu, "device node,plug-in"),
    "Intel GPU": ("intel-gpu", intel_gpu, "device node,plug-in"),
    "Pi 5": ("rpi5", pi_5_with_a_csi_camera, "picamera2,throttling"),
}
"""Tree -> device, builder, and what must be seen to be well beside what every healthy board has."""
