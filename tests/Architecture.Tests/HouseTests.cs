namespace Mesh30K.Architecture.Tests;

public sealed class HouseTests
{
    [Fact]
    public void Solution_file_exists() => Assert.True(File.Exists(Path.Combine(AppContext.BaseDirectory, "mesh.dll")));
}
