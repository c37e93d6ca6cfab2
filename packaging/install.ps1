# Install Panoloom's engine for this user, with a Python environment of its own. Windows.
#
#   powershell -ExecutionPolicy Bypass -File packaging\install.ps1 [-DryRun] [-Yes] [-Target FOLDER]
#       [-Torch auto|cpu|cuda]
#
# Says what it will download and how much that is, and asks, before it does anything. Needs no
# Python: where there is none that fits, uv brings one. Ends with `panoloom doctor`.
# This file has not been run on a Windows machine yet; packaging/install.sh has been, on Linux.
param(
    [switch]$DryRun,
    [switch]$Yes,
    [string]$Target = "",
    [ValidateSet("auto", "cpu", "cuda")][string]$Torch = "auto"
)
$ErrorActionPreference = "Stop"
$PyTorch = "https://download.pytorch.org/whl"   # where PyTorch offers its builds, by name
$UvInstaller = "https://astral.sh/uv/install.ps1"
$Here = Split-Path -Parent $PSScriptRoot
if (-not $Target) { $Target = Join-Path $env:LOCALAPPDATA "panoloom\panoloom\engine" }
if (-not (Test-Path (Join-Path $Here "pyproject.toml"))) {
    Write-Error "No Panoloom beside this script: run it inside its folder."
}

# Which build of torch: the newest that the driver can run; the driver tells its version in its table.
function Get-CudaTag {
    if (-not (Get-Command nvidia-smi -ErrorAction SilentlyContinue)) { return "" }
    $table = (& nvidia-smi | Out-String)
    if ($table -notmatch "CUDA Version:\s*(\d+)\.(\d+)") { return "" }
    $version = [int]$Matches[1] * 10 + [int]$Matches[2]
    if ($version -ge 130) { return "cu130" }
    if ($version -ge 128) { return "cu128" }
    if ($version -ge 126) { return "cu126" }
    return ""
}
$Tag = "cpu"
if ($Torch -ne "cpu") {
    $cuda = Get-CudaTag
    if ($cuda) { $Tag = $cuda }
    elseif ($Torch -eq "cuda") { $Tag = "cu126" }
}
$TorchMb = 190; $DiskGb = 2
if ($Tag -ne "cpu") { $TorchMb = 2900; $DiskGb = 8 }

# Which Python
$Python = @()
foreach ($words in @(@("py", "-3.13"), @("py", "-3.12"), @("py", "-3.11"), @("python"))) {
    if (-not (Get-Command $words[0] -ErrorAction SilentlyContinue)) { continue }
    $rest = @($words | Select-Object -Skip 1)
    $check = "import sys, venv, ensurepip; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))"
    & $words[0] @rest -c $check 2>$null
    if ($LASTEXITCODE -eq 0) { $Python = $words; break }
}
$Uv = ""
if (-not $Python) {
    $found = Get-Command uv -ErrorAction SilentlyContinue
    $Uv = if ($found) { $found.Source } else { Join-Path $Target "uv\uv.exe" }
}

# What will be done
$Total = $TorchMb + 260
Write-Host "Panoloom's engine goes to $Target"
if ($Python) { Write-Host "  Python    $Python, in an environment of its own" }
else {
    if (-not (Test-Path $Uv)) { Write-Host "  download  uv, about 20 MB, from $UvInstaller"; $Total += 20 }
    Write-Host "  download  Python 3.11, about 30 MB, by uv"; $Total += 30
}
Write-Host "  download  torch, the build for $Tag, about $TorchMb MB"
Write-Host "  download  what else it needs, about 260 MB"
Write-Host "  in all    about $Total MB to download, $DiskGb GB on disk; the preview model is included"
if (-not $DryRun -and -not $Yes) {
    if ((Read-Host "Go on? [y/N]") -notmatch "^[yY]") { Write-Host "Nothing was done."; exit 0 }
}

function Invoke-Step {
    param([string]$Program, [string[]]$Words)
    if ($DryRun) { Write-Host "would run: $Program $Words"; return }
    & $Program @Words
    if ($LASTEXITCODE -ne 0) { Write-Error "$Program failed with status $LASTEXITCODE." }
}
$EnvPython = Join-Path $Target "Scripts\python.exe"
if (-not $DryRun) { New-Item -ItemType Directory -Force $Target | Out-Null }
if ($Python) {
    $rest = @($Python | Select-Object -Skip 1)
    Invoke-Step $Python[0] ($rest + @("-m", "venv", $Target))
    $Installer = $EnvPython; $Before = @("-m", "pip", "install", "--disable-pip-version-check")
} else {
    if (-not (Test-Path $Uv) -and -not $DryRun) {
        $env:UV_INSTALL_DIR = Join-Path $Target "uv"; $env:UV_NO_MODIFY_PATH = "1"
        Invoke-RestMethod $UvInstaller | Invoke-Expression
    }
    Invoke-Step $Uv @("venv", "--allow-existing", "--python", "3.11", "--managed-python", $Target)
    $Installer = $Uv; $Before = @("pip", "install", "--python", $EnvPython)
}
# torch first and by itself: what comes after cannot swap the build that was chosen
$All = Get-Content (Join-Path $Here "packaging\constraints.txt")
$Wanted = @($All | Where-Object { $_ -match "^torch==" })[0]
Invoke-Step $Installer ($Before + @("--index-url", "$PyTorch/$Tag", $Wanted))
$Pins = Join-Path $Target "constraints.txt"
if (-not $DryRun) { $All | Where-Object { $_ -notmatch "^torch==" } | Set-Content $Pins }
Invoke-Step $Installer ($Before + @("-c", $Pins, $Here))
$Program = Join-Path $Target "Scripts\panoloom.exe"
if ($DryRun) { Write-Host "would run: $Program doctor"; Write-Host "Nothing was done."; exit 0 }
& $Program doctor
$Status = $LASTEXITCODE
if ($Status -eq 0) { Write-Host "Installed. Blender's extension finds it; or choose $Program in its preferences." }
else { Write-Host "Installed, with the trouble above." }
exit $Status
